#include "json_out.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

bool json_open(json_out *json, const char *path)
{
    bool is_stdout = strcmp(path, "-") == 0;
    *json = (json_out){.file = is_stdout ? stdout : fopen(path, "w"), .is_stdout = is_stdout};
    return json->file != NULL;
}

bool json_close(json_out *json)
{
    bool good = fflush(json->file) == 0 && !ferror(json->file);
    if (!json->is_stdout)
        good = fclose(json->file) == 0 && good;
    return good;
}

/* Bytes of UTF-8 pass as they are; file names that are not UTF-8 do so too. */
static void put_string(FILE *file, const char *text)
{
    fputc('"', file);
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            fprintf(file, "\\%c", c);
        else if (c < ' ')
            fprintf(file, "\\u%04x", c);
        else
            fputc(c, file);
    }
    fputc('"', file);
}

static void put_name(json_out *json, const char *name)
{
    if (json->follows)
        fputc(',', json->file);
    json->follows = true;
    if (!name)
        return;
    put_string(json->file, name);
    fputc(':', json->file);
}

void json_begin(json_out *json, const char *name, char bracket)
{
    put_name(json, name);
    fputc(bracket, json->file);
    json->follows = false;
}

void json_end(json_out *json, char bracket)
{
    fputc(bracket, json->file);
    json->follows = true;
}

void json_line(json_out *json)
{
    fputc('\n', json->file);
    json->follows = false;
}

void json_string(json_out *json, const char *name, const char *value)
{
    put_name(json, name);
    put_string(json->file, value);
}

void json_integer(json_out *json, const char *name, int64_t value)
{
    put_name(json, name);
    fprintf(json->file, "%" PRId64, value);
}

void json_rounded(json_out *json, const char *name, double value, int places)
{
    char text[352]; /* the longest double and some places */
    int n = snprintf(text, sizeof(text), "%.*f", places, isfinite(value) ? value : 0);
    while (places > 0 && text[n - 1] == '0')
        text[--n] = 0;
    if (places > 0 && text[n - 1] == '.')
        text[--n] = 0;
    put_name(json, name);
    fputs(text, json->file);
}

void json_real(json_out *json, const char *name, double value)
{
    put_name(json, name);
    if (isfinite(value))
        fprintf(json->file, "%.9g", value);
    else
        fputs("null", json->file);
}
