// What Swift cannot import, or what must be one machine instruction: thread names, GNU-only
// calls, variadic system calls, CRC-32C. Nothing here allocates or keeps state.
#ifndef PGKEEP_PLATFORM_H
#define PGKEEP_PLATFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// CRC-32C (Castagnoli) of `length` bytes, continuing from `crc` (0 to begin). The value is the
// finished one: pre- and post-inversion are done inside, so calls chain.
uint32_t pgkeep_crc32c(uint32_t crc, const void *bytes, size_t length);

// CRC-32C of a followed by b, from crc(a), crc(b) and the length of b in bytes.
uint32_t pgkeep_crc32c_combine(uint32_t crc_a, uint32_t crc_b, uint64_t length_b);

// The factor for joining a block of `length` bytes behind another with `pgkeep_crc32c_join`, which
// is the cheap form of combine for many blocks of one length.
uint32_t pgkeep_crc32c_factor(uint64_t length);
uint32_t pgkeep_crc32c_join(uint32_t crc_a, uint32_t crc_b, uint32_t factor_b);

// True when all `length` bytes are zero.
bool pgkeep_is_zero(const void *bytes, size_t length);

// PostgreSQL's checksum of an 8192-byte page, `block` being its number within the relation's fork.
uint16_t pgkeep_page_checksum(const void *page, uint32_t block);

// Names the calling thread (15 characters are kept).
void pgkeep_name_thread(const char *name);

// open(2) with a mode, which is variadic in C.
int pgkeep_open(const char *path, int flags, uint32_t mode);

// renameat2(RENAME_NOREPLACE); -1 with errno EEXIST when `to` exists.
int pgkeep_rename_noreplace(const char *from, const char *to);

// syncfs(2) of the file system holding `fd`.
int pgkeep_syncfs(int fd);

// sync_file_range(2): begins writing back a range without waiting for it.
int pgkeep_start_writeback(int fd, int64_t offset, int64_t length);

// Advice to read `length` bytes from `offset` ahead; failure means nothing.
void pgkeep_read_ahead(int fd, int64_t offset, int64_t length);

// Advice that the clean pages of a file will not be read soon; failure means nothing.
void pgkeep_release_cache(int fd);

// Overwrites memory in a way the compiler may not remove.
void pgkeep_wipe(void *bytes, size_t length);

// Starts a program: in a process group of its own, with no signal blocked, nothing to read, `output`
// and `errors` for its standard streams and no other descriptor. It gets `death_signal` when the
// calling thread ends. Returns its process number, or an error number below zero.
int pgkeep_spawn(const char *path, char *const arguments[], char *const environment[], int output,
                 int errors, int death_signal);

// Gives free memory of the heap back to the kernel.
void pgkeep_trim_heap(void);

// The variables of this process, ended by a null pointer.
char **pgkeep_environment(void);

// pidfd_open(2): a descriptor that can be read from once the process has ended.
int pgkeep_open_process(int pid);

// pipe2(2), closed in programs that are started; reading end first.
int pgkeep_pipe(int ends[2]);

// The columns of the terminal on `fd`, or 0 when it is none.
int pgkeep_terminal_columns(int fd);

#endif
