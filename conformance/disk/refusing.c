/* A disk that refuses, for one program that is started with this library before all others (LD_PRELOAD).
 *
 * The file named by REFUSING_DISK holds an error number of the system and, after a space, a path. While it does, everything
 * that would change a file fails with that number: writing and growing at a place, syncing, and, below the path, opening for
 * writing, making, renaming and removing. With EIO reading at a place fails as well. An empty file, or none, and the disk is well.
 *
 * Sockets, pipes and terminals are never touched: the calls for them are others. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>

/* Which error a change of this path meets, or 0; no path: of an open file. */
static int refused(const char *path) {
    int before = errno, number = 0;
    char below[4096] = "";
    const char *name = getenv("REFUSING_DISK");
    FILE *file = name ? fopen(name, "r") : NULL;
    if (file) {
        if (fscanf(file, "%d %4095s", &number, below) < 1) number = 0;
        fclose(file);
    }
    errno = before;
    if (path && (!*below || strncmp(path, below, strlen(below)) != 0)) return 0;
    return number;
}

/* The function that would have been called without this library. */
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define REFUSE(path)                        \
    do {                                    \
        int number = refused(path);         \
        if (number) {                       \
            errno = number;                 \
            return -1;                      \
        }                                   \
    } while (0)

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t at) {
    REFUSE(NULL);
    return REAL(pwrite64)(file, bytes, count, at);
}

ssize_t pread64(int file, void *bytes, size_t count, off64_t at) {
    if (refused(NULL) == EIO) REFUSE(NULL);
    return REAL(pread64)(file, bytes, count, at);
}

int ftruncate64(int file, off64_t length) {
    REFUSE(NULL);
    return REAL(ftruncate64)(file, length);
}

int fsync(int file) {
    REFUSE(NULL);
    return REAL(fsync)(file);
}

int fdatasync(int file) {
    REFUSE(NULL);
    return REAL(fdatasync)(file);
}

int open64(const char *path, int flags, ...) {
    mode_t mode = 0;
    if (flags & O_CREAT) {
        va_list rest;
        va_start(rest, flags);
        mode = va_arg(rest, mode_t);
        va_end(rest);
    }
    if (flags & (O_WRONLY | O_RDWR | O_CREAT)) REFUSE(path);
    return REAL(open64)(path, flags, mode);
}

int mkdir(const char *path, mode_t mode) {
    REFUSE(path);
    return REAL(mkdir)(path, mode);
}

int rename(const char *from, const char *to) {
    REFUSE(to);
    return REAL(rename)(from, to);
}

int unlink(const char *path) {
    REFUSE(path);
    return REAL(unlink)(path);
}
