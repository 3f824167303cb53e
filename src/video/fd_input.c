#include "video/fd_input.h"

#include "base/error.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libavutil/error.h>
#include <libavutil/mem.h>

enum {
    BUFFER_BYTES = 64 * 1024, /* what a Linux pipe holds */
    WAKE_MS = 50              /* how often should_stop is asked while nothing arrives */
};

struct fd_input {
    int fd;
    bool owns_fd;
    AVIOContext *avio;
    int32_t (*should_stop)(void *user);
    void *user;
};

static int read_some(void *opaque, uint8_t *buffer, int bytes)
{
    fd_input *input = opaque;
    for (;;) {
        if (input->should_stop && input->should_stop(input->user))
            return AVERROR_EXIT;
        struct pollfd wait = {.fd = input->fd, .events = POLLIN};
        int ready = poll(&wait, 1, WAKE_MS);
        if (ready == 0 || (ready < 0 && errno == EINTR))
            continue;
        ssize_t got = ready < 0 ? -1 : read(input->fd, buffer, (size_t)bytes);
        if (got > 0)
            return (int)got;
        if (got == 0)
            return AVERROR_EOF;
        if (errno != EINTR && errno != EAGAIN)
            return AVERROR(errno);
    }
}

static int64_t seek_to(void *opaque, int64_t offset, int whence)
{
    fd_input *input = opaque;
    if (whence & AVSEEK_SIZE) {
        struct stat info;
        return fstat(input->fd, &info) == 0 ? info.st_size : AVERROR(errno);
    }
    off_t at = lseek(input->fd, offset, whence & ~AVSEEK_FORCE);
    return at < 0 ? AVERROR(errno) : at;
}

roto_status fd_input_open(const char *path, const roto_source_params *params, fd_input **out)
{
    *out = NULL;
    fd_input *input = memory_new_array(1, sizeof(*input));
    if (!input)
        return ROTO_ERROR_MEMORY;
    roto_status status = ROTO_OK;
    input->should_stop = params->should_stop;
    input->user = params->user;
    input->owns_fd = strcmp(path, "-") != 0;
    /* O_NONBLOCK: opening a FIFO that nobody writes to must not hang. */
    input->fd = input->owns_fd ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : STDIN_FILENO;
    struct stat info;
    if (input->fd < 0 || fstat(input->fd, &info) != 0) {
        status = roto_fail(ROTO_ERROR_IO, "%s: cannot open: %s", path, strerror(errno));
        goto failed;
    }
    if (!input->owns_fd && isatty(input->fd)) {
        status = roto_fail(ROTO_ERROR_ARGUMENT,
                           "-: standard input is a terminal; pipe or redirect a video into it");
        goto failed;
    }
    uint8_t *buffer = av_malloc(BUFFER_BYTES);
    bool can_seek = S_ISREG(info.st_mode); /* "roto track - < clip.mp4" */
    if (buffer)
        input->avio = avio_alloc_context(buffer, BUFFER_BYTES, 0, input, read_some, NULL,
                                         can_seek ? seek_to : NULL);
    if (!input->avio) {
        av_free(buffer);
        status = roto_fail(ROTO_ERROR_MEMORY, "%s: out of memory", path);
        goto failed;
    }
    *out = input;
    return ROTO_OK;

failed:
    fd_input_close(input);
    return status;
}

void fd_input_close(fd_input *input)
{
    if (!input)
        return;
    if (input->avio) {
        av_freep(&input->avio->buffer);
        avio_context_free(&input->avio);
    }
    if (input->owns_fd && input->fd >= 0)
        close(input->fd);
    free(input);
}

AVIOContext *fd_input_avio(fd_input *input)
{
    return input->avio;
}
