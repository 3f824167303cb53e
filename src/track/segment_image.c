/* Masks in single images: a prompt in, the decoder's masks out, no memory. */
#include "track/segmenter.h"

#include "base/error.h"
#include "track/mask_holes.h"
#include "track/mask_prompt.h"

#include <math.h>
#include <string.h>

/* The official image predictor gives earlier logits to the decoder as they are; ours have to be
 * finite. */
static roto_status check_prior(const roto_segmenter *s, const float *prior)
{
    const int64_t n = (int64_t)s->size.mask_w * s->size.mask_h;
    for (int64_t i = 0; prior && i < n; i++) {
        if (!isfinite(prior[i]))
            return roto_fail(ROTO_ERROR_ARGUMENT, "the prior is %g at element %lld",
                             (double)prior[i], (long long)i);
    }
    return ROTO_OK;
}

roto_status roto_segmenter_image(roto_segmenter *s, const roto_image *image)
{
    if (!s)
        return roto_fail(ROTO_ERROR_ARGUMENT, "segmenter is NULL");
    ROTO_TRY(roto_image_check(image));
    ROTO_TRY(segmenter_size(s, image));
    const roto_image *taken = NULL;
    s->view = segment_view_whole(image->width, image->height);
    ROTO_TRY(segment_take(s, image, &taken));
    ROTO_TRY(segment_show(s, &s->view, taken));
    s->is_image = true;
    s->image_masks.n_candidates = 0;
    s->frame = -1; /* the video's frame is gone; it goes on with its next one */
    ROTO_TRY(segment_encode_frame(s));
    return s->table->wait(s->backend);
}

static roto_status predict(roto_segmenter *s, prompt_set *p, const float *prior)
{
    const sam2_config *c = &s->model->config;
    const int64_t n_pixels = (int64_t)s->size.mask_w * s->size.mask_h;
    for (int32_t i = 0; i < p->n_points; i++) {
        p->points[i].x *= (float)s->size.image_w / (float)s->frame_w;
        p->points[i].y *= (float)s->size.image_h / (float)s->frame_h;
    }
    if (p->mask) {
        ROTO_TRY(
            mask_prompt_resize(p->mask, p->mask_w, p->mask_h, p->mask_w, &s->size, s->image_mask));
        ROTO_TRY(mask_prompt_logits(s->image_mask, &s->size, s->prior));
        prior = s->prior;
    }
    ROTO_TRY(segment_decode(s, FEATURES_WITHOUT_MEMORY, p->points, p->n_points, prior));
    const float *masks = s->exchange.masks->data, *ious = s->exchange.ious->data;
    roto_image_masks *to = &s->image_masks;
    *to = (roto_image_masks){.n_candidates = SAM2_N_MASKS,
                             .object_score = s->exchange.scores->data[0],
                             .logits_width = s->size.mask_w,
                             .logits_height = s->size.mask_h};
    for (int32_t i = 0; i < SAM2_N_MASKS; i++)
        to->candidates[i] = (roto_mask_candidate){.iou = ious[i], .logits = masks + i * n_pixels};
    const bool multimask = p->n_points <= 1 && !prior;
    to->best =
        mask_choose(masks, n_pixels, ious, multimask, c->stability_delta, c->stability_threshold)
            .mask;
    return ROTO_OK;
}

roto_status roto_segmenter_predict(roto_segmenter *s, const roto_prompt *prompt, const float *prior,
                                   const roto_image_masks **masks)
{
    if (!s || !masks)
        return roto_fail(ROTO_ERROR_ARGUMENT, "segmenter or masks is NULL");
    if (!s->is_image)
        return roto_fail(ROTO_ERROR_ARGUMENT,
                         "there is no image; roto_segmenter_image() has to come first");
    ROTO_TRY(check_prior(s, prior));
    prompt_set p;
    roto_status status = prompt_set_read(prompt, 0, &p);
    if (status == ROTO_OK)
        status = prompt_set_check(&p, 0, s->frame_w, s->frame_h);
    if (status == ROTO_OK)
        status = predict(s, &p, prior);
    prompt_set_free(&p);
    if (status == ROTO_OK)
        *masks = &s->image_masks;
    return status;
}

roto_status roto_segmenter_candidate(roto_segmenter *s, int32_t candidate, uint8_t value,
                                     uint8_t *mask, ptrdiff_t stride_bytes)
{
    if (!s || !s->is_image || s->image_masks.n_candidates == 0)
        return roto_fail(ROTO_ERROR_ARGUMENT,
                         "there is no answer; roto_segmenter_predict() has to come first");
    if (candidate < 0 || candidate >= s->image_masks.n_candidates)
        return roto_fail(ROTO_ERROR_ARGUMENT, "candidate %d of %d", candidate,
                         s->image_masks.n_candidates);
    if (!mask || stride_bytes < s->frame_w)
        return roto_fail(ROTO_ERROR_ARGUMENT, "a mask with rows %lld bytes apart; they are %d long",
                         (long long)stride_bytes, s->frame_w);
    const float *logits = s->image_masks.candidates[candidate].logits;
    if (s->params.image_clean_px > 0) {
        mask_clean(logits, s->size.mask_w, s->size.mask_h, s->params.image_clean_px, s->hole_queue,
                   s->hole_state, s->prior);
        logits = s->prior;
    }
    if (s->zoom) {
        segment_view_resample(logits, s->size.mask_w, s->size.mask_h, &s->view, &s->view,
                              s->shown_w, s->shown_h, MASK_NO_OBJECT_LOGIT, s->spread);
        logits = s->spread;
    }
    mask_scaler_write(s->scaler, logits, value, mask, stride_bytes);
    return ROTO_OK;
}
