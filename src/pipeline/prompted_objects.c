#include "pipeline/prompted_objects.h"

#include "base/error.h"
#include "base/memory.h"
#include "pipeline/prompts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NO_CLASS = -1 };

/* When an object was marked first. */
typedef struct birth {
    int64_t id, frame;
} birth;

struct prompted_objects {
    roto_segmenter *segmenter;
    prompts *prompts;
    roto_track *tracks; /* room for each object, as in births */
    birth *births;      /* by id, as segments come */
    int32_t n_births;
};

roto_status prompted_objects_new(const roto_run_params *params, const roto_source_info *info,
                                 prompted_objects **out)
{
    *out = NULL;
    prompted_objects *p = memory_new_array(1, sizeof(*p));
    if (!p)
        return ROTO_ERROR_MEMORY;
    roto_status status = prompts_new(params, info->width, info->height, &p->prompts);
    roto_segmenter_params segmenter = params->segmenter;
    segmenter.zoom = segmenter.zoom < 0 ? 1 : segmenter.zoom;
    if (status == ROTO_OK)
        status = roto_segmenter_open(params->segmenter_path, &segmenter, &p->segmenter);
    if (status == ROTO_OK) {
        const size_t n = (size_t)prompts_n_objects(p->prompts);
        p->tracks = memory_new_array(n, sizeof(*p->tracks));
        p->births = memory_new_array(n, sizeof(*p->births));
        status = p->tracks && p->births ? ROTO_OK : ROTO_ERROR_MEMORY;
    }
    if (status != ROTO_OK) {
        prompted_objects_free(p);
        return status;
    }
    *out = p;
    return ROTO_OK;
}

void prompted_objects_free(prompted_objects *p)
{
    if (!p)
        return;
    roto_segmenter_close(p->segmenter);
    prompts_free(p->prompts);
    free(p->tracks);
    free(p->births);
    free(p);
}

/* Objects never go, so that births and segments are of the same objects apart from new ones. */
static void note_births(prompted_objects *p, const roto_run_frame *found)
{
    for (int32_t i = 0; i < found->n_segments; i++) {
        if (i < p->n_births && p->births[i].id == found->segments[i].id)
            continue;
        memmove(&p->births[i + 1], &p->births[i], (size_t)(p->n_births - i) * sizeof(*p->births));
        p->births[i] = (birth){found->segments[i].id, found->frame->index};
        p->n_births++;
    }
}

static void list_tracks(prompted_objects *p, roto_run_frame *found)
{
    int32_t n = 0;
    for (int32_t i = 0; i < found->n_segments; i++) {
        const roto_segment *s = &found->segments[i];
        if (!(s->area > 0))
            continue;
        p->tracks[n++] = (roto_track){
            .id = s->id,
            .box = s->box,
            .score = fminf(fmaxf(s->iou, 0), 1),
            .class_id = NO_CLASS,
            .age_frames = (int32_t)(found->frame->index - p->births[i].frame),
        };
    }
    found->tracks = p->tracks;
    found->n_tracks = n;
}

static roto_status prompt_segmenter(void *user, int64_t id, int64_t frame,
                                    const roto_prompt *prompt)
{
    return roto_segmenter_prompt(user, id, frame, prompt);
}

roto_status prompted_objects_expect(prompted_objects *p, const roto_frame *next)
{
    return roto_segmenter_next(p->segmenter, &next->image, next->index);
}

roto_status prompted_objects_find(prompted_objects *p, roto_run_frame *found)
{
    const int64_t index = found->frame->index;
    ROTO_TRY(roto_segmenter_frame(p->segmenter, &found->frame->image, index, NULL, NULL));
    /* After the frame: on an object that was carried here they are then corrections. */
    ROTO_TRY(prompts_give(p->prompts, prompt_segmenter, p->segmenter, index));
    ROTO_TRY(roto_segmenter_results(p->segmenter, &found->segments, &found->n_segments));
    note_births(p, found);
    list_tracks(p, found);
    return ROTO_OK;
}

int64_t prompted_objects_n(const prompted_objects *p)
{
    return p->n_births;
}

roto_status prompted_objects_end(const prompted_objects *p, int64_t n_frames)
{
    return prompts_end(p->prompts, n_frames);
}
