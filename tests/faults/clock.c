/* A wall clock that a test moves: the seconds in the file named by FAULT_CLOCK are added to it.
   Preloaded into a process; monotonic clocks are left alone, as in a real step of the clock. Waits
   until a time of the wall clock are ended by the kernel, whose clock stands: they are moved back. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <threads.h>
#include <time.h>

static volatile int64_t *offset_s;
static int (*real_clock_gettime)(clockid_t, struct timespec *);
static const int64_t WALL_S = 1000000000; /* no machine has been up for 30 years */

__attribute__((constructor)) static void map(void) {
    const char *name = getenv("FAULT_CLOCK");
    int file = name ? open(name, O_RDONLY) : -1;
    void *page = file < 0 ? MAP_FAILED : mmap(0, sizeof(int64_t), PROT_READ, MAP_SHARED, file, 0);
    offset_s = page == MAP_FAILED ? 0 : page;
}

int clock_gettime(clockid_t clock, struct timespec *told) {
    if (!real_clock_gettime)
        real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real_clock_gettime(clock, told);
    if (!failed && offset_s && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        told->tv_sec += *offset_s;
    return failed;
}

int gettimeofday(struct timeval *restrict told, void *restrict zone) {
    struct timespec now;
    (void)zone;
    int failed = clock_gettime(CLOCK_REALTIME, &now);
    told->tv_sec = now.tv_sec;
    told->tv_usec = now.tv_nsec / 1000;
    return failed;
}

time_t time(time_t *told) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (told)
        *told = now.tv_sec;
    return now.tv_sec;
}

static struct timespec of_the_kernel(const struct timespec *until) {
    struct timespec real = *until;
    if (offset_s && real.tv_sec > WALL_S)
        real.tv_sec -= *offset_s;
    return real;
}

int pthread_cond_timedwait(
    pthread_cond_t *restrict condition,
    pthread_mutex_t *restrict mutex,
    const struct timespec *restrict until) {
    static int (*wait)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
    if (!wait)
        wait = dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
    if (!wait)
        wait = dlsym(RTLD_NEXT, "pthread_cond_timedwait");
    struct timespec real = of_the_kernel(until);
    return wait(condition, mutex, &real);
}

int cnd_timedwait(cnd_t *restrict condition, mtx_t *restrict mutex, const struct timespec *until) {
    static int (*wait)(cnd_t *, mtx_t *, const struct timespec *);
    if (!wait)
        wait = dlsym(RTLD_NEXT, "cnd_timedwait");
    struct timespec real = of_the_kernel(until);
    return wait(condition, mutex, &real);
}
