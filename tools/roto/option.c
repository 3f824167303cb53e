#include "command_line.h"

option option_flag(const char *name, const char *help, bool *target)
{
    return (option){.name = name, .help = help, .kind = OPTION_FLAG, .target = target};
}

option option_text(const char *name, const char *value, const char *help, const char **target)
{
    return (option){
        .name = name, .value = value, .help = help, .kind = OPTION_TEXT, .target = target};
}

option option_texts(const char *name, const char *value, const char *help, text_list *target)
{
    return (option){
        .name = name, .value = value, .help = help, .kind = OPTION_TEXTS, .target = target};
}

option option_integer(const char *name, const char *value, const char *help, long long *target,
                      long long least, long long most)
{
    return (option){.name = name,
                    .value = value,
                    .help = help,
                    .kind = OPTION_INTEGER,
                    .target = target,
                    .least = (double)least,
                    .most = (double)most};
}

option option_real(const char *name, const char *value, const char *help, double *target,
                   double least, double most)
{
    return (option){.name = name,
                    .value = value,
                    .help = help,
                    .kind = OPTION_REAL,
                    .target = target,
                    .least = least,
                    .most = most};
}

option option_choice(const char *name, const char *value, const char *help, int *target,
                     const char *const *choices)
{
    return (option){.name = name,
                    .value = value,
                    .help = help,
                    .kind = OPTION_CHOICE,
                    .target = target,
                    .choices = choices};
}
