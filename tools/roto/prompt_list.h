/* prompt_list.h - --point, --box and --mask as prompts for the segmenter. */
#ifndef PROMPT_LIST_H
#define PROMPT_LIST_H

#include "command_line.h"

#include <roto/run.h>

/* What was given, for option_texts(). */
typedef struct prompt_texts {
    text_list points, boxes, masks;
} prompt_texts;

void prompt_texts_free(prompt_texts *texts);
bool prompt_texts_any(const prompt_texts *texts);

/* One prompt for all that was said about an object on one frame. Zeroed at first. */
typedef struct prompt_list {
    roto_run_prompt *prompts;
    int32_t n;
    struct prompt_mark *marks; /* what the prompts point to */
    struct prompt_mask *masks;
    int n_masks;
} prompt_list;

/* Reads mask files. Without with_frames, "@FRAME" is refused. Returns COMMAND_LINE_GO_ON or an exit
 * code; free the list either way. */
int prompt_list_parse(prompt_list *list, const command_line *c, const prompt_texts *texts,
                      bool with_frames);
void prompt_list_free(prompt_list *list);

/* Room for this many objects is enough. */
int32_t prompt_list_max_objects(const prompt_list *list);

#endif
