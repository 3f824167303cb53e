#include "format/atomic_file.h"

#include "base/error.h"
#include "base/memory.h"
#include "format/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    BUFFER_BYTES = 64 * 1024, /* libpng and the header writers hand over a few bytes at a time */
    NAME_TRIES = 16
};

struct atomic_file {
    int fd;
    char *path;      /* as the caller gave it, for messages */
    char *target;    /* path with symbolic links followed */
    char *temporary; /* NULL when the target is written directly */
    size_t used;
    char buffer[BUFFER_BYTES];
};

/* A new file beside the target. Not mkstemp(): it makes files that only their owner may read, and
 * the umask that would be needed to correct this cannot be asked for without changing it. */
static int open_temporary(atomic_file *file)
{
    for (int i = 0; i < NAME_TRIES; i++) {
        unsigned long long random = 0;
        if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
            return -1;
        free(file->temporary);
        if (asprintf(&file->temporary, "%s.%016llx.tmp", file->target, random) < 0) {
            file->temporary = NULL;
            errno = ENOMEM;
            return -1;
        }
        int fd = open(file->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0 || errno != EEXIST)
            return fd;
    }
    return -1;
}

roto_status atomic_file_open(const char *path, atomic_file **out)
{
    *out = NULL;
    atomic_file *file = memory_new_array(1, sizeof(*file));
    if (!file)
        return ROTO_ERROR_MEMORY;
    file->fd = -1;
    file->path = memory_copy_string(path);
    file->target = realpath(path, NULL);
    if (!file->target) /* most often: there is no such file yet */
        file->target = memory_copy_string(path);
    if (!file->path || !file->target) {
        atomic_file_discard(file);
        return ROTO_ERROR_MEMORY;
    }
    struct stat info;
    bool exists = stat(file->target, &info) == 0;
    if (exists && !S_ISREG(info.st_mode))
        file->fd = open(file->target, O_WRONLY | O_CLOEXEC);
    else
        file->fd = open_temporary(file);
    if (file->fd < 0) {
        roto_status status =
            roto_fail(ROTO_ERROR_IO, "%s: cannot create: %s", path, strerror(errno));
        free(file->temporary); /* names nothing of ours */
        file->temporary = NULL;
        atomic_file_discard(file);
        return status;
    }
    *out = file;
    return ROTO_OK;
}

static roto_status flush(atomic_file *file)
{
    int error = file_write_all(file->fd, file->buffer, file->used, NULL);
    file->used = 0;
    return error ? roto_fail(ROTO_ERROR_IO, "%s: cannot write: %s", file->path, strerror(error))
                 : ROTO_OK;
}

roto_status atomic_file_write(atomic_file *file, const void *data, size_t bytes)
{
    if (bytes > sizeof(file->buffer) - file->used)
        ROTO_TRY(flush(file));
    if (bytes > sizeof(file->buffer)) {
        int error = file_write_all(file->fd, data, bytes, NULL);
        return error ? roto_fail(ROTO_ERROR_IO, "%s: cannot write: %s", file->path, strerror(error))
                     : ROTO_OK;
    }
    if (bytes)
        memcpy(file->buffer + file->used, data, bytes);
    file->used += bytes;
    return ROTO_OK;
}

roto_status atomic_file_commit(atomic_file *file)
{
    roto_status status = flush(file);
    /* Network file systems report a full disk here at the latest. */
    if (close(file->fd) != 0 && status == ROTO_OK)
        status = roto_fail(ROTO_ERROR_IO, "%s: cannot write: %s", file->path, strerror(errno));
    file->fd = -1;
    if (status == ROTO_OK && file->temporary) {
        if (rename(file->temporary, file->target) == 0) {
            free(file->temporary);
            file->temporary = NULL;
        } else {
            status = roto_fail(ROTO_ERROR_IO, "%s: cannot rename %s to it: %s", file->path,
                               file->temporary, strerror(errno));
        }
    }
    atomic_file_discard(file);
    return status;
}

void atomic_file_discard(atomic_file *file)
{
    if (!file)
        return;
    if (file->fd >= 0)
        close(file->fd);
    if (file->temporary)
        unlink(file->temporary);
    free(file->temporary);
    free(file->target);
    free(file->path);
    free(file);
}
