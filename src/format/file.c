#include "format/file.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static roto_status open_regular(const char *path, size_t max_bytes, int *out_fd, size_t *out_bytes)
{
    /* O_NONBLOCK: opening a FIFO that nobody writes to must not hang. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return roto_fail(ROTO_ERROR_IO, "%s: cannot open: %s", path, strerror(errno));
    roto_status status = ROTO_OK;
    struct stat info;
    if (fstat(fd, &info) != 0)
        status = roto_fail(ROTO_ERROR_IO, "%s: cannot examine: %s", path, strerror(errno));
    else if (S_ISDIR(info.st_mode))
        status = roto_fail(ROTO_ERROR_IO, "%s: is a folder, not a file", path);
    else if (!S_ISREG(info.st_mode))
        status = roto_fail(ROTO_ERROR_IO, "%s: is not a regular file", path);
    else if (info.st_size == 0)
        status = roto_fail(ROTO_ERROR_FORMAT, "%s: the file is empty", path);
    else if ((uintmax_t)info.st_size > max_bytes)
        status = roto_fail(ROTO_ERROR_UNSUPPORTED, "%s: %lld bytes; at most %zu can be read", path,
                           (long long)info.st_size, max_bytes);
    if (status != ROTO_OK) {
        close(fd);
        return status;
    }
    *out_fd = fd;
    *out_bytes = (size_t)info.st_size;
    return ROTO_OK;
}

static roto_status read_all(int fd, const char *path, uint8_t *data, size_t bytes)
{
    for (size_t done = 0; done < bytes;) {
        ssize_t got = read(fd, data + done, bytes - done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return roto_fail(ROTO_ERROR_IO, "%s: cannot read: %s", path, strerror(errno));
        if (got == 0)
            return roto_fail(ROTO_ERROR_IO, "%s: became shorter while it was read", path);
        done += (size_t)got;
    }
    return ROTO_OK;
}

roto_status file_read(const char *path, size_t max_bytes, file_bytes *out)
{
    *out = (file_bytes){0};
    int fd = -1;
    size_t bytes = 0;
    ROTO_TRY(open_regular(path, max_bytes, &fd, &bytes));
    uint8_t *data = malloc(bytes);
    roto_status status =
        data ? read_all(fd, path, data, bytes)
             : roto_fail(ROTO_ERROR_MEMORY, "%s: out of memory: %zu bytes", path, bytes);
    close(fd);
    if (status != ROTO_OK) {
        free(data);
        return status;
    }
    *out = (file_bytes){.data = data, .bytes = bytes};
    return ROTO_OK;
}

roto_status file_map(const char *path, size_t max_bytes, file_bytes *out)
{
    *out = (file_bytes){0};
    int fd = -1;
    size_t bytes = 0;
    ROTO_TRY(open_regular(path, max_bytes, &fd, &bytes));
    void *data = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    int error = errno;
    close(fd);
    if (data == MAP_FAILED)
        return roto_fail(error == ENOMEM ? ROTO_ERROR_MEMORY : ROTO_ERROR_IO, "%s: cannot map: %s",
                         path, strerror(error));
    *out = (file_bytes){.data = data, .bytes = bytes, .mapped = true};
    return ROTO_OK;
}

void file_release(file_bytes *file)
{
    void *data = (void *)(uintptr_t)file->data;
    if (file->mapped)
        munmap(data, file->bytes);
    else
        free(data);
    *file = (file_bytes){0};
}

int file_write_all(int fd, const void *data, size_t bytes, size_t *written)
{
    /* write() raises these two on the calling thread. They are held back, and taken off again if
     * they were not waiting before, so that neither the program's handlers nor its end are ours. */
    sigset_t ours, pending, before;
    sigemptyset(&ours);
    sigaddset(&ours, SIGPIPE);
    sigaddset(&ours, SIGXFSZ);
    sigpending(&pending);
    pthread_sigmask(SIG_BLOCK, &ours, &before);
    size_t done = 0;
    int error = 0;
    while (done < bytes && !error) {
        ssize_t put = write(fd, (const char *)data + done, bytes - done);
        if (put > 0)
            done += (size_t)put;
        else if (put == 0)
            error = EIO;
        else if (errno != EINTR)
            error = errno;
    }
    int raised = error == EPIPE ? SIGPIPE : error == EFBIG ? SIGXFSZ : 0;
    if (raised && !sigismember(&pending, raised)) {
        sigset_t one;
        sigemptyset(&one);
        sigaddset(&one, raised);
        const struct timespec no_wait = {0};
        while (sigtimedwait(&one, NULL, &no_wait) < 0 && errno == EINTR)
            ;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (written)
        *written = done;
    return error;
}
