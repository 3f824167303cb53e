#include "class_list.h"

#include "exit_code.h"
#include "failure.h"

#include <roto/system.h>

#include <string.h>

int class_list_parse(class_list *list, const command_line *c, const char *text)
{
    list->n = 0;
    if (!text)
        return COMMAND_LINE_GO_ON;
    if (strlen(text) >= sizeof(list->text))
        return command_line_refuse(c, "--detect is longer than %d bytes", CLASS_TEXT_BYTES - 1);
    strcpy(list->text, text);
    for (char *name = list->text; name;) {
        char *comma = strchr(name, ',');
        if (comma)
            *comma = 0;
        name += strspn(name, " ");
        if (!*name)
            return command_line_refuse(c, "--detect \"%s\" has an empty name in it", text);
        if (list->n == MAX_CLASSES)
            return command_line_refuse(c, "--detect names more than %d classes", MAX_CLASSES);
        list->names[list->n++] = name;
        name = comma ? comma + 1 : NULL;
    }
    return COMMAND_LINE_GO_ON;
}

static int refuse_name(const command_line *c, const roto_detector *detector, const char *name)
{
    const char *known[MAX_CLASSES];
    int32_t n = roto_detector_n_classes(detector);
    if (n > MAX_CLASSES)
        n = MAX_CLASSES;
    for (int32_t i = 0; i < n; i++)
        known[i] = roto_detector_class_name(detector, i);
    const char *nearest = roto_nearest_name(name, known, n);
    if (nearest)
        return command_line_refuse(c, "the model knows no class \"%s\"; did you mean \"%s\"?", name,
                                   nearest);
    return command_line_refuse(c, "the model knows no class \"%s\"; \"roto info MODEL\" lists them",
                               name);
}

int class_list_apply(const class_list *list, const command_line *c, roto_detector *detector)
{
    int32_t ids[MAX_CLASSES];
    for (int32_t i = 0; i < list->n; i++) {
        ids[i] = roto_detector_class_find(detector, list->names[i]);
        if (ids[i] < 0)
            return refuse_name(c, detector, list->names[i]);
    }
    roto_status status = list->n ? roto_detector_keep(detector, ids, list->n) : ROTO_OK;
    return status == ROTO_OK ? COMMAND_LINE_GO_ON : failure_report(c->name, status);
}
