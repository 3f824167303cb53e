/* command_line.h - what a command accepts, as a table: parses it and writes its help. */
#ifndef COMMAND_LINE_H
#define COMMAND_LINE_H

#include <stdbool.h>

typedef enum option_kind {
    OPTION_FLAG,    /* bool */
    OPTION_TEXT,    /* const char * */
    OPTION_TEXTS,   /* text_list; may be given many times */
    OPTION_INTEGER, /* long long, within least..most */
    OPTION_REAL,    /* double, within least..most */
    OPTION_CHOICE   /* int, index into choices */
} option_kind;

/* Zeroed at first; the texts are those of argv. */
typedef struct text_list {
    const char **texts;
    int n, capacity;
} text_list;

void text_list_free(text_list *list);

typedef struct option {
    const char *name;  /* "--threads" */
    const char *value; /* what its value is called in the help, "N"; NULL for a flag */
    const char *help;
    option_kind kind;
    void *target;
    double least, most;
    const char *const *choices; /* NULL-terminated */
    bool given;                 /* set by parsing */
} option;

/* Rows of the table, typed by what they fill in. */
option option_flag(const char *name, const char *help, bool *target);
option option_text(const char *name, const char *value, const char *help, const char **target);
option option_texts(const char *name, const char *value, const char *help, text_list *target);
option option_integer(const char *name, const char *value, const char *help, long long *target,
                      long long least, long long most);
option option_real(const char *name, const char *value, const char *help, double *target,
                   double least, double most);
option option_choice(const char *name, const char *value, const char *help, int *target,
                     const char *const *choices);

typedef struct command_line {
    const char *name;     /* "roto track" */
    const char *operands; /* "INPUT", "IMAGE...", "" */
    const char *about;    /* paragraphs */
    const char *examples; /* lines */
    option *options;      /* ended by one without a name */
    int least_operands, most_operands;
    const char *operand_what; /* for "roto track needs a video, ..." */
} command_line;

enum { COMMAND_LINE_GO_ON = -1 };

/* Takes options out of argv; operands are moved to its front and counted in *n_operands. Returns
 * COMMAND_LINE_GO_ON, or the exit code when the help was asked for or something was wrong. */
int command_line_parse(const command_line *c, int argc, char **argv, int *n_operands);

/* "roto track: text" and a pointer to the help, on standard error; returns EXIT_USAGE. */
int command_line_refuse(const command_line *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* A whole decimal number, nothing before or after it. */
bool parse_integer(const char *text, double least, double most, long long *out);
bool parse_real(const char *text, double least, double most, double *out);

#endif
