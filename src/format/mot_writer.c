#include "base/error.h"
#include "base/memory.h"
#include "format/file.h"
#include "format/mot_text.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_LINE_BYTES = 192 }; /* two 20-digit numbers, four of 10 digits, a score, the rest */
static const float MAX_COORDINATE = 1e6f;

struct mot_writer {
    int fd;
    bool regular; /* can be cut back to its last whole frame */
    char *path;
    int64_t frame; /* the latest */
    off_t good_bytes;
    char *text;
    size_t capacity;
};

roto_status mot_writer_open(const char *path, mot_writer **out)
{
    *out = NULL;
    mot_writer *w = memory_new_array(1, sizeof(*w));
    if (!w)
        return ROTO_ERROR_MEMORY;
    roto_status status = ROTO_ERROR_MEMORY;
    w->fd = -1;
    w->path = memory_copy_string(path);
    if (!w->path)
        goto fail;
    w->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    struct stat info;
    if (w->fd < 0 || fstat(w->fd, &info) != 0) {
        status = roto_fail(ROTO_ERROR_IO, "%s: cannot create: %s", path, strerror(errno));
        goto fail;
    }
    w->regular = S_ISREG(info.st_mode);
    *out = w;
    return ROTO_OK;
fail:
    mot_writer_close(w);
    return status;
}

/* A number with two decimals, whatever the program's locale. */
static int put_hundredths(char *at, size_t room, float value)
{
    long long n = llround((double)value * 100);
    long long size = n < 0 ? -n : n;
    return snprintf(at, room, "%s%lld.%02lld", n < 0 ? "-" : "", size / 100, size % 100);
}

static bool inside(float coordinate)
{
    return coordinate >= -MAX_COORDINATE && coordinate <= MAX_COORDINATE; /* false for NaN */
}

static roto_status check_track(const mot_writer *w, int64_t frame, const roto_track *t)
{
    const roto_box *b = &t->box;
    if (t->id < 0 || !inside(b->x0) || !inside(b->y0) || !inside(b->x1) || !inside(b->y1) ||
        b->x0 > b->x1 || b->y0 > b->y1 || !(t->score >= 0 && t->score <= 1))
        return roto_fail(ROTO_ERROR_ARGUMENT,
                         "%s: frame %lld: identity %lld with the box %g,%g,%g,%g and score %g; "
                         "an identity >= 0, x0 <= x1 and y0 <= y1 within %g px and a score in 0..1 "
                         "are needed",
                         w->path, (long long)frame, (long long)t->id, (double)b->x0, (double)b->y0,
                         (double)b->x1, (double)b->y1, (double)t->score, (double)MAX_COORDINATE);
    return ROTO_OK;
}

static size_t put_track(char *at, int64_t frame, const roto_track *t)
{
    const float values[4] = {t->box.x0, t->box.y0, t->box.x1 - t->box.x0, t->box.y1 - t->box.y0};
    int n = snprintf(at, MAX_LINE_BYTES, "%lld,%lld", (long long)frame, (long long)t->id);
    for (int i = 0; i < 4; i++) {
        at[n++] = ',';
        n += put_hundredths(at + n, (size_t)(MAX_LINE_BYTES - n), values[i]);
    }
    long long score = llround((double)t->score * 10000);
    n += snprintf(at + n, (size_t)(MAX_LINE_BYTES - n), ",%lld.%04lld,-1,-1,-1\n", score / 10000,
                  score % 10000);
    return (size_t)n;
}

roto_status mot_writer_frame(mot_writer *w, int64_t frame, const roto_track *tracks,
                             int32_t n_tracks)
{
    if (frame <= w->frame)
        return roto_fail(ROTO_ERROR_ARGUMENT, "%s: frame %lld after frame %lld", w->path,
                         (long long)frame, (long long)w->frame);
    size_t n = n_tracks > 0 ? (size_t)n_tracks : 0;
    for (size_t i = 0; i < n; i++)
        ROTO_TRY(check_track(w, frame, &tracks[i]));
    if (!memory_grow((void **)&w->text, &w->capacity, n * MAX_LINE_BYTES, 1))
        return ROTO_ERROR_MEMORY;
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++)
        bytes += put_track(w->text + bytes, frame, &tracks[i]);
    int error = file_write_all(w->fd, w->text, bytes, NULL);
    if (error) {
        /* Half a frame would make the file invalid; should cutting fail too, this is still the
         * error to report. */
        if (w->regular && ftruncate(w->fd, w->good_bytes) == 0)
            lseek(w->fd, w->good_bytes, SEEK_SET);
        return roto_fail(ROTO_ERROR_IO, "%s: cannot write frame %lld: %s", w->path,
                         (long long)frame, strerror(error));
    }
    w->good_bytes += (off_t)bytes;
    w->frame = frame;
    return ROTO_OK;
}

roto_status mot_writer_close(mot_writer *w)
{
    if (!w)
        return ROTO_OK;
    roto_status status = ROTO_OK;
    if (w->fd >= 0 && close(w->fd) != 0)
        status = roto_fail(ROTO_ERROR_IO, "%s: cannot write: %s", w->path, strerror(errno));
    free(w->path);
    free(w->text);
    free(w);
    return status;
}
