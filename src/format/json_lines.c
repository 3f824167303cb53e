#include "format/json_lines.h"

#include "base/error.h"
#include "base/memory.h"
#include "format/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Beyond it a coordinate or time is not a measurement. */
static const double max_number = 1e15;

struct json_lines {
    char *path;
    int fd;
    bool is_regular;
    char *line;
    size_t length, capacity;
    bool out_of_memory; /* of the line being built */
};

roto_status json_lines_open(const char *path, json_lines **out)
{
    *out = NULL;
    json_lines *lines = memory_new_array(1, sizeof(*lines));
    if (!lines)
        return ROTO_ERROR_MEMORY;
    lines->fd = STDOUT_FILENO;
    lines->path = memory_copy_string(path);
    roto_status status = lines->path ? ROTO_OK : ROTO_ERROR_MEMORY;
    if (status == ROTO_OK && strcmp(path, "-") != 0) {
        lines->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        struct stat info;
        if (lines->fd < 0 || fstat(lines->fd, &info) != 0)
            status = roto_fail(ROTO_ERROR_IO, "%s: cannot create: %s", path, strerror(errno));
        else
            lines->is_regular = S_ISREG(info.st_mode);
    }
    if (status != ROTO_OK) {
        json_lines_close(lines);
        return status;
    }
    *out = lines;
    return ROTO_OK;
}

static void put_bytes(json_lines *lines, const char *bytes, size_t n)
{
    if (lines->out_of_memory || !memory_grow((void **)&lines->line, &lines->capacity,
                                             lines->length + n, sizeof(*lines->line))) {
        lines->out_of_memory = true;
        return;
    }
    memcpy(lines->line + lines->length, bytes, n);
    lines->length += n;
}

static void put(json_lines *lines, const char *text)
{
    put_bytes(lines, text, strlen(text));
}

static void put_integer(json_lines *lines, int64_t value)
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRId64, value);
    put(lines, text);
}

/* With at most `decimals` places and no trailing zeros. Not by printf's %f, whose decimal point is
 * a comma where the program's locale says so. */
static void put_number(json_lines *lines, double value, int decimals)
{
    int64_t unit = 1;
    for (int i = 0; i < decimals; i++)
        unit *= 10;
    double limit = max_number / (double)unit;
    value = fmin(fmax(value, -limit), limit);
    int64_t scaled = llround(value * (double)unit);
    int64_t whole = llabs(scaled) / unit, part = llabs(scaled) % unit;
    char text[48];
    int length = snprintf(text, sizeof(text), "%s%" PRId64, scaled < 0 ? "-" : "", whole);
    if (part) {
        length +=
            snprintf(text + length, sizeof(text) - (size_t)length, ".%0*" PRId64, decimals, part);
        while (text[length - 1] == '0')
            length--;
    }
    put_bytes(lines, text, (size_t)length);
}

/* Bytes of a well-formed UTF-8 sequence at `s` (RFC 3629), 0 when it is none. */
static size_t utf8_length(const unsigned char *s)
{
    if (s[0] < 0x80)
        return 1;
    size_t n = s[0] >= 0xc2 && s[0] <= 0xdf ? 2 : (s[0] & 0xf0) == 0xe0 ? 3 : 4;
    if (s[0] < 0xc2 || s[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    }
    bool overlong = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xf0 && s[1] < 0x90);
    bool surrogate = s[0] == 0xed && s[1] > 0x9f, beyond = s[0] == 0xf4 && s[1] > 0x8f;
    return overlong || surrogate || beyond ? 0 : n;
}

/* RFC 8259, section 7. File names may hold any bytes; those that are no UTF-8 become U+FFFD. */
static void put_string(json_lines *lines, const char *text)
{
    put(lines, "\"");
    for (const unsigned char *s = (const unsigned char *)text; *s;) {
        size_t n = utf8_length(s);
        if (n == 0) {
            put(lines, "\\ufffd");
            n = 1;
        } else if (*s == '"' || *s == '\\') {
            const char escaped[2] = {'\\', (char)*s};
            put_bytes(lines, escaped, sizeof(escaped));
        } else if (*s < ' ') {
            char escaped[8];
            snprintf(escaped, sizeof(escaped), "\\u%04x", *s);
            put(lines, escaped);
        } else {
            put_bytes(lines, (const char *)s, n);
        }
        s += n;
    }
    put(lines, "\"");
}

/* What a user has marked has no class. */
static void put_class(json_lines *lines, const json_frame *frame, int32_t class_id)
{
    if (class_id < 0)
        return;
    if (class_id >= 0 && class_id < frame->n_class_names) {
        put(lines, "\"class\":");
        put_string(lines, frame->class_names[class_id]);
        put(lines, ",");
    }
    put(lines, "\"class_id\":");
    put_integer(lines, class_id);
    put(lines, ",");
}

static void put_score_and_box(json_lines *lines, float score, const roto_box *box)
{
    const float edges[4] = {box->x0, box->y0, box->x1, box->y1};
    put(lines, "\"score\":");
    put_number(lines, (double)score, 4);
    put(lines, ",\"box\":[");
    for (int i = 0; i < 4; i++) {
        put(lines, i ? "," : "");
        put_number(lines, (double)edges[i], 2);
    }
    put(lines, "]");
}

/* As COCO's tools take it: height before width. The text has backslashes. */
static void put_mask(json_lines *lines, const json_frame *frame, const char *run_lengths)
{
    put(lines, ",\"mask\":{\"size\":[");
    put_integer(lines, frame->height);
    put(lines, ",");
    put_integer(lines, frame->width);
    put(lines, "],\"counts\":");
    put_string(lines, run_lengths);
    put(lines, "}");
}

static void put_track(json_lines *lines, const json_frame *frame, int32_t i)
{
    const roto_track *track = &frame->tracks[i];
    put(lines, "{\"id\":");
    put_integer(lines, track->id);
    put(lines, ",");
    put_class(lines, frame, track->class_id);
    put_score_and_box(lines, track->score, &track->box);
    put(lines, ",\"age\":");
    put_integer(lines, track->age_frames);
    if (track->missed_frames > 0) {
        put(lines, ",\"missed\":");
        put_integer(lines, track->missed_frames);
    }
    if (frame->masks && frame->masks[i])
        put_mask(lines, frame, frame->masks[i]);
    put(lines, "}");
}

static void put_detection(json_lines *lines, const json_frame *frame,
                          const roto_detection *detection)
{
    put(lines, "{");
    put_class(lines, frame, detection->class_id);
    put_score_and_box(lines, detection->score, &detection->box);
    put(lines, "}");
}

static void put_frame(json_lines *lines, const json_frame *frame)
{
    put(lines, "{\"frame\":");
    put_integer(lines, frame->index);
    put(lines, ",\"time_s\":");
    put_number(lines, frame->time_s, 6);
    if (frame->name) {
        put(lines, ",\"name\":");
        put_string(lines, frame->name);
    }
    put(lines, ",\"width\":");
    put_integer(lines, frame->width);
    put(lines, ",\"height\":");
    put_integer(lines, frame->height);
    put(lines, ",\"objects\":[");
    for (int32_t i = 0; i < frame->n_tracks; i++) {
        put(lines, i ? "," : "");
        put_track(lines, frame, i);
    }
    for (int32_t i = 0; i < frame->n_detections; i++) {
        put(lines, i || frame->n_tracks ? "," : "");
        put_detection(lines, frame, &frame->detections[i]);
    }
    put(lines, "]}\n");
}

/* JSON has no NaN and no infinity. */
static bool all_finite(const json_frame *frame)
{
    double sum = frame->time_s;
    for (int32_t i = 0; i < frame->n_tracks; i++) {
        const roto_box *box = &frame->tracks[i].box;
        sum += (double)box->x0 + (double)box->y0 + (double)box->x1 + (double)box->y1 +
               (double)frame->tracks[i].score;
    }
    for (int32_t i = 0; i < frame->n_detections; i++) {
        const roto_box *box = &frame->detections[i].box;
        sum += (double)box->x0 + (double)box->y0 + (double)box->x1 + (double)box->y1 +
               (double)frame->detections[i].score;
    }
    return isfinite(sum);
}

roto_status json_lines_write(json_lines *lines, const json_frame *frame)
{
    if (!all_finite(frame))
        return roto_fail(ROTO_ERROR_ARGUMENT,
                         "%s: frame %" PRId64 " has a number that is not finite", lines->path,
                         frame->index);
    lines->length = 0;
    lines->out_of_memory = false;
    put_frame(lines, frame);
    if (lines->out_of_memory)
        return roto_fail(ROTO_ERROR_MEMORY, "%s: out of memory for frame %" PRId64, lines->path,
                         frame->index);
    size_t written = 0;
    int error = file_write_all(lines->fd, lines->line, lines->length, &written);
    if (!error)
        return ROTO_OK;
    if (written && lines->is_regular) {
        off_t end = lseek(lines->fd, -(off_t)written, SEEK_CUR);
        if (end >= 0 && ftruncate(lines->fd, end) != 0)
            return roto_fail(ROTO_ERROR_IO, "%s: cannot write: %s; its last line is cut off",
                             lines->path, strerror(error));
    }
    return roto_fail(ROTO_ERROR_IO, "%s: cannot write: %s", lines->path, strerror(error));
}

roto_status json_lines_close(json_lines *lines)
{
    if (!lines)
        return ROTO_OK;
    roto_status status = ROTO_OK;
    /* Network file systems report a full disk here at the latest. */
    if (lines->fd >= 0 && lines->fd != STDOUT_FILENO && close(lines->fd) != 0)
        status = roto_fail(ROTO_ERROR_IO, "%s: cannot write: %s", lines->path, strerror(errno));
    free(lines->line);
    free(lines->path);
    free(lines);
    return status;
}
