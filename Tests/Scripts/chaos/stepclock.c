// Preloaded into one host's processes: their wall clock is the machine's plus what the file named
// by CHAOS_CLOCK holds, microseconds as a signed 64-bit number. Writing the file steps the clock of
// all of them at once, while they run. Clocks that never step, timers and waits stay as they are,
// as they do when a real wall clock is stepped.
//
// Why not libfaketime (Debian's 0.9.10): its constructor calls setenv, which moves the environment,
// and the static Swift runtime finds the arguments from there, so that the program sees none; and
// with any offset its timerfd_settime and clock_nanosleep bend absolute times of the monotonic
// clock too, which no stepped clock does and every timer of the agent would break by.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t none;
static volatile int64_t *offset = &none;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("CHAOS_CLOCK");
    int descriptor = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (descriptor < 0) return;
    void *mapped = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, descriptor, 0);
    close(descriptor);
    if (mapped != MAP_FAILED) offset = mapped;
}

static void shift(struct timespec *time) {
    int64_t nanoseconds = time->tv_nsec + (*offset % 1000000) * 1000;
    time->tv_sec += *offset / 1000000;
    if (nanoseconds < 0) { nanoseconds += 1000000000; time->tv_sec -= 1; }
    if (nanoseconds >= 1000000000) { nanoseconds -= 1000000000; time->tv_sec += 1; }
    time->tv_nsec = nanoseconds;
}

typedef int (*clock_function)(clockid_t, struct timespec *);

int clock_gettime(clockid_t clock, struct timespec *time) {
    static clock_function next;
    if (!next) next = (clock_function)dlsym(RTLD_NEXT, "clock_gettime");
    int result = next ? next(clock, time) : (int)syscall(SYS_clock_gettime, clock, time);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) shift(time);
    return result;
}

int gettimeofday(struct timeval *time, void *zone) {
    struct timespec now;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0) return -1;
    time->tv_sec = now.tv_sec;
    time->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *result) {
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0) return -1;
    if (result) *result = now.tv_sec;
    return now.tv_sec;
}

int timespec_get(struct timespec *now, int base) {
    return base == TIME_UTC && clock_gettime(CLOCK_REALTIME, now) == 0 ? base : 0;
}
