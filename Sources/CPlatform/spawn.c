#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "platform.h"

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

// Marks every descriptor from 3 on to be closed by exec.
static void close_others_on_exec(void) {
    if (syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC) == 0) return;
    // Kernels before 5.11 do not know it; a few hundred are more than a process of ours has open.
    for (int fd = 3; fd < 1024; fd++) {
        int flags = fcntl(fd, F_GETFD);
        if (flags >= 0) fcntl(fd, F_SETFD, flags | FD_CLOEXEC);
    }
}

// Between fork and exec of a process with threads: nothing here may allocate or lock.
static int become(const char *path, char *const arguments[], char *const environment[], int output,
                  int errors, int death_signal, pid_t parent) {
    struct sigaction standard = {.sa_handler = SIG_DFL};
    for (int number = 1; number < NSIG; number++) sigaction(number, &standard, NULL);
    setpgid(0, 0);
    if (prctl(PR_SET_PDEATHSIG, death_signal) != 0) return errno;
    // The parent may have died before the kernel was asked; then nobody would be told.
    if (getppid() != parent) _exit(1);
    int nothing = open("/dev/null", O_RDONLY);
    if (nothing < 0 || dup2(nothing, 0) < 0 || dup2(output, 1) < 0 || dup2(errors, 2) < 0)
        return errno;
    close_others_on_exec();
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execve(path, arguments, environment);
    return errno;
}

int pgkeep_spawn(const char *path, char *const arguments[], char *const environment[], int output,
                 int errors, int death_signal) {
    int report[2];
    if (pipe2(report, O_CLOEXEC) != 0) return -errno;
    // Blocked until the child has its own dispositions, so no handler of ours runs in it.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        int failure = become(path, arguments, environment, output, errors, death_signal, parent);
        ssize_t done = write(report[1], &failure, sizeof failure);
        _exit(done == sizeof failure ? 127 : 126);
    }
    int failure = pid < 0 ? errno : 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    close(report[1]);
    if (pid > 0) {
        ssize_t count;
        // Closed by a successful exec; an error number comes only from a failed one.
        do count = read(report[0], &failure, sizeof failure);
        while (count < 0 && errno == EINTR);
        if (count > 0) {
            while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
            }
        }
    }
    close(report[0]);
    return failure == 0 ? pid : -failure;
}

void pgkeep_trim_heap(void) { malloc_trim(0); }

char **pgkeep_environment(void) { return environ; }

int pgkeep_open_process(int pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }

int pgkeep_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC); }
