/* seqinfo.ini: "[Sequence]" and then lines "key=value". */
#include "base/error.h"
#include "format/file.h"
#include "format/mot_text.h"

#include <locale.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FILE_BYTES = 64 << 10, MAX_VALUE_CHARS = 31 };
static const double MAX_FRAMES = 1e9, MAX_FRAMES_PER_S = 1e5;

typedef struct slice {
    const char *text;
    size_t length;
} slice;

static slice trim(const char *text, size_t length)
{
    while (length > 0 && strchr(" \t\r", text[0]) && text[0])
        text++, length--;
    while (length > 0 && strchr(" \t\r", text[length - 1]) && text[length - 1])
        length--;
    return (slice){text, length};
}

static bool equals(slice s, const char *text)
{
    return s.length == strlen(text) && strncasecmp(s.text, text, s.length) == 0;
}

static roto_status read_value(const char *path, int line, slice key, slice value, double least,
                              double most, double *out)
{
    char number[MAX_VALUE_CHARS + 1] = "", *stopped = number;
    locale_t c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (c_locale == (locale_t)0)
        return roto_fail(ROTO_ERROR_MEMORY, "%s: cannot make a locale", path);
    if (value.length <= MAX_VALUE_CHARS) {
        memcpy(number, value.text, value.length);
        *out = strtod_l(number, &stopped, c_locale);
    }
    freelocale(c_locale);
    if (stopped == number || *stopped || !(*out >= least && *out <= most))
        return roto_fail(ROTO_ERROR_FORMAT, "%s:%d: %.*s has to be a number in %g..%g", path, line,
                         (int)key.length, key.text, least, most);
    return ROTO_OK;
}

static roto_status read_line(const char *path, int number, slice line, mot_sequence_info *info)
{
    const char *sign = memchr(line.text, '=', line.length);
    if (!sign)
        return ROTO_OK; /* a section, a comment or nothing */
    slice key = trim(line.text, (size_t)(sign - line.text));
    slice value = trim(sign + 1, (size_t)(line.text + line.length - sign - 1));
    if (equals(key, "frameRate"))
        return read_value(path, number, key, value, 1e-3, MAX_FRAMES_PER_S, &info->frames_per_s);
    if (!equals(key, "seqLength"))
        return ROTO_OK;
    double n_frames = 0;
    ROTO_TRY(read_value(path, number, key, value, 1, MAX_FRAMES, &n_frames));
    if (n_frames != floor(n_frames))
        return roto_fail(ROTO_ERROR_FORMAT, "%s:%d: seqLength has to be a whole number", path,
                         number);
    info->n_frames = (int64_t)n_frames;
    return ROTO_OK;
}

roto_status mot_sequence_info_read(const char *path, mot_sequence_info *out)
{
    *out = (mot_sequence_info){0};
    file_bytes file;
    ROTO_TRY(file_read(path, MAX_FILE_BYTES, &file));
    const char *at = (const char *)file.data, *end = at + file.bytes;
    roto_status status = ROTO_OK;
    for (int number = 1; at < end && status == ROTO_OK; number++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *stop = newline ? newline : end;
        status = read_line(path, number, trim(at, (size_t)(stop - at)), out);
        at = newline ? newline + 1 : end;
    }
    file_release(&file);
    return status;
}
