#include "command_line.h"

#include "exit_code.h"

#include <roto/system.h>

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HELP_COLUMN = 24, MAX_OPTIONS = 48 };

int command_line_refuse(const command_line *c, const char *fmt, ...)
{
    fprintf(stderr, "%s: ", c->name);
    va_list args;
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fprintf(stderr, "\n(%s --help tells more)\n", c->name);
    return EXIT_USAGE;
}

bool parse_integer(const char *text, double least, double most, long long *out)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (!isdigit((unsigned char)text[*text == '-']) || *end || errno || (double)value < least ||
        (double)value > most)
        return false;
    *out = value;
    return true;
}

bool parse_real(const char *text, double least, double most, double *out)
{
    /* strtod alone would take "nan", "inf", "0x1p3" and leading blanks. */
    if (text[strspn(text, "0123456789.eE+-")] || !*text)
        return false;
    char *end;
    errno = 0;
    double value = strtod(text, &end);
    if (*end || errno || !isfinite(value) || value < least || value > most)
        return false;
    *out = value;
    return true;
}

static int option_help_width(const option *o)
{
    return (int)strlen(o->name) + (o->value ? 1 + (int)strlen(o->value) : 0);
}

static void print_option(const char *name, const char *value, const char *help, int width)
{
    printf("  %s%s%s", name, value ? " " : "", value ? value : "");
    if (width + 4 > HELP_COLUMN)
        printf("\n%*s", HELP_COLUMN, "");
    else
        printf("%*s", HELP_COLUMN - width - 2, "");
    /* Further lines of the help go under the first. */
    for (const char *line = help; line;) {
        const char *end = strchr(line, '\n');
        printf("%.*s\n", end ? (int)(end - line) : (int)strlen(line), line);
        line = end ? end + 1 : NULL;
        if (line)
            printf("%*s", HELP_COLUMN, "");
    }
}

static int print_help(const command_line *c)
{
    printf("Usage: %s%s%s%s\n\n%s\n", c->name, *c->operands ? " " : "", c->operands,
           c->options->name ? " [OPTION...]" : "", c->about);
    printf("\nOptions:\n");
    for (const option *o = c->options; o->name; o++)
        print_option(o->name, o->value, o->help, option_help_width(o));
    print_option("--help", NULL, "print this and exit", (int)strlen("--help"));
    if (c->examples)
        printf("\nExamples:\n%s", c->examples);
    return fflush(stdout) == 0 ? EXIT_OK : EXIT_IO;
}

static int refuse_unknown(const command_line *c, const char *arg)
{
    const char *names[MAX_OPTIONS];
    int n = 0;
    for (const option *o = c->options; o->name && n < MAX_OPTIONS - 1; o++)
        names[n++] = o->name;
    names[n++] = "--help";
    char name[64];
    snprintf(name, sizeof(name), "%.*s", (int)strcspn(arg, "="), arg);
    const char *nearest = roto_nearest_name(name, names, n);
    if (nearest)
        return command_line_refuse(c, "unknown option \"%s\"; did you mean \"%s\"?", name, nearest);
    return command_line_refuse(c, "unknown option \"%s\"", name);
}

static int take_choice(const command_line *c, const option *o, const char *text)
{
    char list[256] = "";
    for (int i = 0; o->choices[i]; i++) {
        if (strcmp(text, o->choices[i]) == 0) {
            *(int *)o->target = i;
            return COMMAND_LINE_GO_ON;
        }
        size_t length = strlen(list);
        snprintf(list + length, sizeof(list) - length, "%s%s", i ? ", " : "", o->choices[i]);
    }
    return command_line_refuse(c, "%s is \"%s\"; it must be one of: %s", o->name, text, list);
}

void text_list_free(text_list *list)
{
    free(list->texts);
    *list = (text_list){0};
}

static int take_text(const command_line *c, text_list *list, const char *text)
{
    if (list->n == list->capacity) {
        const int grown = list->capacity ? 2 * list->capacity : 16;
        const char **texts = realloc(list->texts, (size_t)grown * sizeof(*texts));
        if (!texts) {
            fprintf(stderr, "%s: out of memory\n", c->name);
            return EXIT_MEMORY;
        }
        list->texts = texts;
        list->capacity = grown;
    }
    list->texts[list->n++] = text;
    return COMMAND_LINE_GO_ON;
}

static int take_value(const command_line *c, option *o, const char *text)
{
    bool taken = true;
    switch (o->kind) {
    case OPTION_FLAG:
        *(bool *)o->target = true;
        break;
    case OPTION_TEXT:
    case OPTION_TEXTS:
        if (!*text)
            return command_line_refuse(c, "%s is empty; it needs %s", o->name, o->value);
        if (o->kind == OPTION_TEXTS)
            return take_text(c, o->target, text);
        *(const char **)o->target = text;
        break;
    case OPTION_INTEGER:
        taken = parse_integer(text, o->least, o->most, o->target);
        break;
    case OPTION_REAL:
        taken = parse_real(text, o->least, o->most, o->target);
        break;
    case OPTION_CHOICE:
        return take_choice(c, o, text);
    }
    if (!taken)
        return command_line_refuse(c, "%s is \"%s\"; it must be a %snumber in %.10g..%.10g",
                                   o->name, text, o->kind == OPTION_INTEGER ? "whole " : "",
                                   o->least, o->most);
    return COMMAND_LINE_GO_ON;
}

/* Handles argv[*i], an option, and steps over the value that it takes. */
static int take_option(const command_line *c, int argc, char **argv, int *i)
{
    const char *arg = argv[*i];
    if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0)
        return print_help(c);
    size_t length = strcspn(arg, "=");
    option *o = c->options;
    while (o->name && (strlen(o->name) != length || strncmp(o->name, arg, length) != 0))
        o++;
    if (!o->name)
        return refuse_unknown(c, arg);
    if (o->given && o->kind != OPTION_TEXTS)
        return command_line_refuse(c, "%s is given twice", o->name);
    o->given = true;
    const char *value = arg[length] == '=' ? arg + length + 1 : NULL;
    if (!o->value && value)
        return command_line_refuse(c, "%s takes no value", o->name);
    if (o->value && !value) {
        /* "--overlay --json x" has forgotten a value; a file may still be given as ./--json. */
        if (*i + 1 == argc || strncmp(argv[*i + 1], "--", 2) == 0)
            return command_line_refuse(c, "%s needs a value: %s %s", o->name, o->name, o->value);
        value = argv[++*i];
    }
    return take_value(c, o, value);
}

int command_line_parse(const command_line *c, int argc, char **argv, int *n_operands)
{
    int n = 0;
    bool only_operands = false;
    for (int i = 0; i < argc; i++) {
        char *arg = argv[i];
        if (!only_operands && strcmp(arg, "--") == 0) {
            only_operands = true;
        } else if (!only_operands && arg[0] == '-' && arg[1]) {
            int code = take_option(c, argc, argv, &i);
            if (code != COMMAND_LINE_GO_ON)
                return code;
        } else {
            argv[n++] = arg;
        }
    }
    *n_operands = n;
    if (n < c->least_operands)
        return command_line_refuse(c, "%s is missing", c->operand_what);
    if (n > c->most_operands)
        return command_line_refuse(c, "\"%s\" is one argument too many", argv[c->most_operands]);
    return COMMAND_LINE_GO_ON;
}
