#define _GNU_SOURCE
#include "platform.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <nmmintrin.h>
#elif defined(__aarch64__)
#include <arm_acle.h>
#endif

// The reflected Castagnoli polynomial.
#define POLYNOMIAL 0x82F63B78u

#if defined(__x86_64__) || defined(__aarch64__)

#if defined(__x86_64__)
#define CRC_TARGET __attribute__((target("sse4.2")))
#define CRC_WORD(crc, word) ((uint32_t)_mm_crc32_u64((crc), (word)))
#define CRC_BYTE(crc, byte) _mm_crc32_u8((crc), (byte))
#else
#define CRC_TARGET __attribute__((target("crc")))
#define CRC_WORD(crc, word) __crc32cd((crc), (word))
#define CRC_BYTE(crc, byte) __crc32cb((crc), (byte))
#endif

static inline uint64_t load_word(const uint8_t *p) {
    uint64_t word;
    memcpy(&word, p, sizeof word);
    return word;
}

CRC_TARGET static uint32_t crc_straight(uint32_t crc, const uint8_t *p, size_t n) {
    for (; n >= 8; n -= 8, p += 8) crc = CRC_WORD(crc, load_word(p));
    for (; n > 0; n--, p++) crc = CRC_BYTE(crc, *p);
    return crc;
}

// The instruction takes three cycles and starts one a cycle, so three stripes run side by side;
// each stripe is a third of a block, and the parts are joined by shifting over the known length.
enum { STRIPE = 2728, BLOCK = 3 * STRIPE };  // 8184 bytes: a page and a bit of tail

static uint32_t shift_table[4][256];

static uint32_t times_x_to(uint32_t crc, uint64_t bits);
static uint32_t multiply(uint32_t a, uint32_t b);

// Shifting is linear, so 32 products make the 1024 entries. This runs at every start of the program.
static void __attribute__((constructor)) prepare_shift_table(void) {
    uint32_t factor = times_x_to(0x80000000u, (uint64_t)STRIPE * 8);
    for (int byte = 0; byte < 4; byte++) {
        for (int bit = 0; bit < 8; bit++)
            shift_table[byte][1u << bit] = multiply(1u << (8 * byte + bit), factor);
        for (uint32_t value = 1; value < 256; value++) {
            uint32_t low = value & -value;
            if (low != value)
                shift_table[byte][value] = shift_table[byte][low] ^ shift_table[byte][value ^ low];
        }
    }
}

static inline uint32_t shift_stripe(uint32_t crc) {
    return shift_table[0][crc & 0xff] ^ shift_table[1][(crc >> 8) & 0xff] ^
           shift_table[2][(crc >> 16) & 0xff] ^ shift_table[3][crc >> 24];
}

CRC_TARGET static uint32_t crc_update(uint32_t crc, const uint8_t *p, size_t n) {
    for (; n >= BLOCK; n -= BLOCK, p += BLOCK) {
        uint32_t a = crc, b = 0, c = 0;
        for (size_t i = 0; i < STRIPE; i += 8) {
            a = CRC_WORD(a, load_word(p + i));
            b = CRC_WORD(b, load_word(p + STRIPE + i));
            c = CRC_WORD(c, load_word(p + 2 * STRIPE + i));
        }
        crc = shift_stripe(shift_stripe(a) ^ b) ^ c;
    }
    return crc_straight(crc, p, n);
}
#else
static uint32_t crc_update(uint32_t crc, const uint8_t *p, size_t n) {
    for (; n > 0; n--, p++) {
        crc ^= *p;
        for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (POLYNOMIAL & -(crc & 1));
    }
    return crc;
}
#endif

// a * b modulo the polynomial, both reflected (bit 31 is x^0).
static uint32_t multiply(uint32_t a, uint32_t b) {
    uint32_t product = 0;
    for (uint32_t bit = 0x80000000u; bit != 0; bit >>= 1) {
        if (a & bit) product ^= b;
        b = (b >> 1) ^ (POLYNOMIAL & -(b & 1));
    }
    return product;
}

// crc * x^bits modulo the polynomial.
static uint32_t times_x_to(uint32_t crc, uint64_t bits) {
    uint32_t power = 0x40000000u;  // x^1
    for (; bits != 0; bits >>= 1) {
        if (bits & 1) crc = multiply(crc, power);
        power = multiply(power, power);
    }
    return crc;
}

uint32_t pgkeep_crc32c(uint32_t crc, const void *bytes, size_t length) {
    return ~crc_update(~crc, bytes, length);
}

uint32_t pgkeep_crc32c_combine(uint32_t crc_a, uint32_t crc_b, uint64_t length_b) {
    return times_x_to(crc_a, length_b * 8) ^ crc_b;
}

uint32_t pgkeep_crc32c_factor(uint64_t length) { return times_x_to(0x80000000u, length * 8); }

uint32_t pgkeep_crc32c_join(uint32_t crc_a, uint32_t crc_b, uint32_t factor_b) {
    return multiply(crc_a, factor_b) ^ crc_b;
}

bool pgkeep_is_zero(const void *bytes, size_t length) {
    const uint8_t *p = bytes;
    if (length == 0) return true;
    // A block equals its own tail shifted by one byte exactly when all bytes equal the first.
    return p[0] == 0 && memcmp(p, p + 1, length - 1) == 0;
}

void pgkeep_name_thread(const char *name) {
    char kept[16];
    snprintf(kept, sizeof kept, "%s", name);
    pthread_setname_np(pthread_self(), kept);
}

int pgkeep_open(const char *path, int flags, uint32_t mode) {
    return open(path, flags | O_CLOEXEC, (mode_t)mode);
}

int pgkeep_rename_noreplace(const char *from, const char *to) {
    return renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE);
}

int pgkeep_syncfs(int fd) { return syncfs(fd); }

int pgkeep_start_writeback(int fd, int64_t offset, int64_t length) {
    return sync_file_range(fd, offset, length, SYNC_FILE_RANGE_WRITE);
}

void pgkeep_read_ahead(int fd, int64_t offset, int64_t length) {
    (void)posix_fadvise(fd, offset, length, POSIX_FADV_WILLNEED);
}

void pgkeep_release_cache(int fd) { (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED); }

void pgkeep_wipe(void *bytes, size_t length) { explicit_bzero(bytes, length); }

int pgkeep_terminal_columns(int fd) {
    struct winsize size;
    if (ioctl(fd, TIOCGWINSZ, &size) != 0) return 0;
    return size.ws_col;
}
