/* json_out.h - writes JSON values to a file or to standard output. */
#ifndef JSON_OUT_H
#define JSON_OUT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

typedef struct json_out {
    FILE *file;
    bool is_stdout, follows; /* a value stands before the next one */
} json_out;

/* "-" is standard output. False: errno says why. */
bool json_open(json_out *json, const char *path);

/* Writes what is left; false when anything did not reach the file. */
bool json_close(json_out *json);

/* A name inside an object, NULL inside a list. `bracket` is '{' or '['. */
void json_begin(json_out *json, const char *name, char bracket);
void json_end(json_out *json, char bracket); /* '}' or ']' */
void json_line(json_out *json);              /* ends a line; what comes next starts afresh */
void json_string(json_out *json, const char *name, const char *value);
void json_integer(json_out *json, const char *name, int64_t value);
void json_rounded(json_out *json, const char *name, double value, int places);
void json_real(json_out *json, const char *name, double value); /* null unless finite */

#endif
