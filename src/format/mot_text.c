#include "format/mot_text.h"

#include "base/error.h"
#include "base/memory.h"
#include "format/file.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    MIN_COLUMNS = 7,
    MAX_COLUMNS = 10,
    MAX_NUMBER_CHARS = 63,
    MAX_FILE_BYTES = 256 << 20 /* a day of video with 40 boxes a frame; rows take 6 times as much */
};
static const double MAX_FRAME = 1e9;
static const double MAX_ID = 1e15;        /* whole numbers up to here are exact in a double */
static const double MAX_COORDINATE = 1e6; /* px, far outside any picture */

typedef struct reader {
    const char *path;
    const char *at, *end; /* what is left */
    int64_t line;
    locale_t c_locale; /* a program that speaks German must not read 1,5 */
} reader;

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* `text` in quotes for a message, shortened, with what does not print replaced. */
static const char *quoted(const char *text, size_t length, char buffer[48])
{
    size_t n = length < 40 ? length : 40;
    for (size_t i = 0; i < n; i++)
        buffer[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
    memcpy(buffer + n, length > n ? "..." : "", length > n ? 4 : 1);
    return buffer;
}

static roto_status read_number(const reader *r, const char *text, size_t length, int column,
                               double *out)
{
    while (length > 0 && is_blank(text[0]))
        text++, length--;
    while (length > 0 && is_blank(text[length - 1]))
        length--;
    char number[MAX_NUMBER_CHARS + 1], shown[48];
    bool plain = length > 0 && length <= MAX_NUMBER_CHARS;
    for (size_t i = 0; plain && i < length; i++)
        plain = text[i] && strchr("0123456789+-.eE", text[i]); /* no "nan", no hexadecimals */
    char *stopped = NULL;
    if (plain) {
        memcpy(number, text, length);
        number[length] = 0;
        *out = strtod_l(number, &stopped, r->c_locale);
        plain = stopped == number + length;
    }
    if (!plain)
        return roto_fail(ROTO_ERROR_FORMAT, "%s:%lld: column %d is \"%s\"; a number is needed",
                         r->path, (long long)r->line, column, quoted(text, length, shown));
    if (!isfinite(*out))
        return roto_fail(ROTO_ERROR_FORMAT, "%s:%lld: column %d is %s, too large a number", r->path,
                         (long long)r->line, column, number);
    return ROTO_OK;
}

/* Splits a line at its commas; one more comma may end it. */
static roto_status read_columns(const reader *r, const char *line, size_t length,
                                double values[MAX_COLUMNS])
{
    int n = 0;
    const char *end = line + length;
    for (const char *at = line; at < end || n == 0;) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        const char *stop = comma ? comma : end;
        if (n == MAX_COLUMNS)
            return roto_fail(ROTO_ERROR_FORMAT, "%s:%lld: more than %d columns", r->path,
                             (long long)r->line, MAX_COLUMNS);
        ROTO_TRY(read_number(r, at, (size_t)(stop - at), n + 1, &values[n]));
        n++;
        at = comma ? comma + 1 : end;
    }
    if (n < MIN_COLUMNS)
        return roto_fail(ROTO_ERROR_FORMAT,
                         "%s:%lld: %d columns; frame, identity, left, top, width, height and score "
                         "are needed, parted by commas",
                         r->path, (long long)r->line, n);
    return ROTO_OK;
}

static roto_status check_whole(const reader *r, const char *name, double value, double least,
                               double most)
{
    if (value != floor(value) || value < least || value > most)
        return roto_fail(ROTO_ERROR_FORMAT,
                         "%s:%lld: %s %.17g; a whole number in %.0f..%.0f is needed", r->path,
                         (long long)r->line, name, value, least, most);
    return ROTO_OK;
}

static roto_status make_row(const reader *r, const double v[MAX_COLUMNS], mot_kind kind,
                            mot_row *row)
{
    ROTO_TRY(check_whole(r, "frame", v[0], 1, MAX_FRAME));
    if (kind == MOT_TRACKS)
        ROTO_TRY(check_whole(r, "identity", v[1], 0, MAX_ID));
    for (int i = 2; i < 6; i++)
        if (fabs(v[i]) > MAX_COORDINATE)
            return roto_fail(ROTO_ERROR_FORMAT,
                             "%s:%lld: column %d is %g; boxes lie within %.0f px", r->path,
                             (long long)r->line, i + 1, v[i], MAX_COORDINATE);
    if (v[4] < 0 || v[5] < 0)
        return roto_fail(ROTO_ERROR_FORMAT, "%s:%lld: a box %g wide and %g high", r->path,
                         (long long)r->line, v[4], v[5]);
    *row = (mot_row){.frame = (int64_t)v[0],
                     .id = kind == MOT_TRACKS ? (int64_t)v[1] : -1,
                     .left = v[2],
                     .top = v[3],
                     .width = v[4],
                     .height = v[5],
                     .score = v[6],
                     .line = r->line};
    return ROTO_OK;
}

static roto_status read_rows(reader *r, mot_kind kind, mot_rows *out)
{
    size_t capacity = 0;
    while (r->at < r->end) {
        const char *newline = memchr(r->at, '\n', (size_t)(r->end - r->at));
        const char *line = r->at, *stop = newline ? newline : r->end;
        r->at = newline ? newline + 1 : r->end;
        r->line++;
        while (stop > line && is_blank(stop[-1]))
            stop--;
        if (stop == line)
            continue;
        double values[MAX_COLUMNS] = {0};
        ROTO_TRY(read_columns(r, line, (size_t)(stop - line), values));
        if (!memory_grow((void **)&out->rows, &capacity, out->n + 1, sizeof(*out->rows)))
            return roto_fail_context(ROTO_ERROR_MEMORY, "%s:%lld", r->path, (long long)r->line);
        ROTO_TRY(make_row(r, values, kind, &out->rows[out->n]));
        out->n++;
    }
    return ROTO_OK;
}

static int by_frame_and_line(const void *left, const void *right)
{
    const mot_row *a = left, *b = right;
    if (a->frame != b->frame)
        return a->frame < b->frame ? -1 : 1;
    return (a->line > b->line) - (a->line < b->line);
}

static int by_frame_and_id(const void *left, const void *right)
{
    const mot_row *a = left, *b = right;
    if (a->frame != b->frame)
        return a->frame < b->frame ? -1 : 1;
    if (a->id != b->id)
        return a->id < b->id ? -1 : 1;
    return (a->line > b->line) - (a->line < b->line);
}

static roto_status check_identities(const char *path, mot_rows *rows)
{
    if (rows->n)
        qsort(rows->rows, rows->n, sizeof(*rows->rows), by_frame_and_id);
    for (size_t i = 1; i < rows->n; i++) {
        const mot_row *a = &rows->rows[i - 1], *b = &rows->rows[i];
        if (a->frame == b->frame && a->id == b->id)
            return roto_fail(
                ROTO_ERROR_FORMAT,
                "%s:%lld: identity %lld is in frame %lld a second time, after line %lld", path,
                (long long)b->line, (long long)b->id, (long long)b->frame, (long long)a->line);
    }
    return ROTO_OK;
}

static bool is_empty_file(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode) && info.st_size == 0;
}

roto_status mot_read(const char *path, mot_kind kind, mot_rows *out)
{
    *out = (mot_rows){0};
    if (is_empty_file(path)) /* nothing was found in any frame */
        return ROTO_OK;
    file_bytes file;
    ROTO_TRY(file_read(path, MAX_FILE_BYTES, &file));
    const char *text = (const char *)file.data;
    reader r = {.path = path, .at = text, .end = text + file.bytes};
    roto_status status = ROTO_OK;
    r.c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (r.c_locale == (locale_t)0) {
        status =
            roto_fail(ROTO_ERROR_MEMORY, "%s: cannot make a locale: %s", path, strerror(errno));
        goto done;
    }
    if (file.bytes >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) /* a byte order mark */
        r.at += 3;
    status = read_rows(&r, kind, out);
    if (status == ROTO_OK && kind == MOT_TRACKS)
        status = check_identities(path, out);
    if (status == ROTO_OK && out->n)
        qsort(out->rows, out->n, sizeof(*out->rows), by_frame_and_line);
done:
    if (r.c_locale != (locale_t)0)
        freelocale(r.c_locale);
    file_release(&file);
    if (status != ROTO_OK)
        mot_rows_free(out);
    return status;
}

void mot_rows_free(mot_rows *rows)
{
    free(rows->rows);
    *rows = (mot_rows){0};
}
