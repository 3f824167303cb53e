/* Segments an object of an image from clicks, each refining the mask that the ones before gave.
 *
 *     refine_clicks MODEL.safetensors IMAGE MASK.png X,Y [X,Y | -X,Y]...
 *
 * A click with a minus is on something that does not belong to the object. Three are usually
 * enough: one on the object, one on a part that is missing, one on a part that is too much.
 */
#include <roto/roto.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CLICKS = 16 };

static int fail(void)
{
    fprintf(stderr, "refine_clicks: %s\n", roto_error_message());
    return 1;
}

/* Asks about the first n clicks; the earlier answer's logits, copied, are where it starts from. */
static roto_status refine(roto_segmenter *segmenter, const float *points, const int32_t *labels,
                          int32_t n, float **prior, int32_t *best)
{
    roto_prompt prompt = roto_prompt_default();
    prompt.points = points;
    prompt.labels = labels;
    prompt.n_points = n;
    const roto_image_masks *masks;
    roto_status status = roto_segmenter_predict(segmenter, &prompt, *prior, &masks);
    if (status != ROTO_OK)
        return status;
    const roto_mask_candidate *answer = &masks->candidates[masks->best];
    printf("after %d clicks: mask %d, overlap estimated at %.2f\n", n, masks->best, answer->iou);
    const size_t bytes = (size_t)masks->logits_width * (size_t)masks->logits_height * sizeof(float);
    if (!*prior)
        *prior = malloc(bytes);
    if (!*prior)
        return ROTO_ERROR_MEMORY;
    memcpy(*prior, answer->logits, bytes);
    *best = masks->best;
    return ROTO_OK;
}

int main(int argc, char **argv)
{
    float points[2 * MAX_CLICKS];
    int32_t labels[MAX_CLICKS], n = 0, best = 0;
    if (argc < 5 || argc - 4 > MAX_CLICKS) {
        fprintf(stderr, "usage: refine_clicks MODEL IMAGE MASK.png X,Y [X,Y | -X,Y]...\n");
        return 2;
    }
    for (; n < argc - 4; n++) {
        const char *click = argv[4 + n];
        labels[n] = click[0] != '-';
        if (sscanf(click + !labels[n], "%f,%f", &points[2 * n], &points[2 * n + 1]) != 2) {
            fprintf(stderr, "refine_clicks: \"%s\" is not X,Y\n", click);
            return 2;
        }
    }
    roto_segmenter *segmenter = NULL;
    roto_image image;
    void *storage = NULL;
    float *prior = NULL;
    roto_status status = roto_segmenter_open(argv[1], NULL, &segmenter);
    if (status == ROTO_OK)
        status = roto_image_read(argv[2], &image, &storage);
    if (status == ROTO_OK)
        status = roto_segmenter_image(segmenter, &image);
    for (int32_t i = 1; i <= n && status == ROTO_OK; i++)
        status = refine(segmenter, points, labels, i, &prior, &best);
    uint8_t *mask = NULL;
    if (status == ROTO_OK) {
        mask = malloc((size_t)image.width * (size_t)image.height);
        status = mask ? roto_segmenter_candidate(segmenter, best, 255, mask, image.width)
                      : ROTO_ERROR_MEMORY;
    }
    if (status == ROTO_OK) {
        roto_image out = {.width = image.width, .height = image.height, .format = ROTO_PIXEL_GRAY8};
        out.plane[0] = mask;
        out.stride_bytes[0] = image.width;
        status = roto_image_write_png(argv[3], &out);
    }
    free(mask);
    free(prior);
    roto_image_free(storage);
    roto_segmenter_close(segmenter);
    return status == ROTO_OK ? 0 : fail();
}
