/* class_list.h - "person,traffic light" as a list of names. */
#ifndef CLASS_LIST_H
#define CLASS_LIST_H

#include "command_line.h"

#include <roto/detect.h>

#include <stdint.h>

enum { MAX_CLASSES = 256, CLASS_TEXT_BYTES = 8192 };

typedef struct class_list {
    char text[CLASS_TEXT_BYTES];
    const char *names[MAX_CLASSES];
    int32_t n;
} class_list;

/* Splits at commas; NULL gives an empty list, which stands for every class. Returns
 * COMMAND_LINE_GO_ON or an exit code. */
int class_list_parse(class_list *list, const command_line *c, const char *text);

/* Has the detector keep these classes. Returns COMMAND_LINE_GO_ON or an exit code. */
int class_list_apply(const class_list *list, const command_line *c, roto_detector *detector);

#endif
