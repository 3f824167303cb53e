/* eval/detection_ap.h - average precision of boxes, as the COCO evaluation defines it.
 *
 * The measure is that of Lin et al. 2014 (COCO) in its reference implementation, pycocotools, with
 * the area range "all" and no crowd regions: detections take, best score first, the overlapping box
 * of their class and image that nobody has taken; precision is made monotone and sampled at 101
 * recalls; scores are means over the overlaps 0.50, 0.55 ... 0.95.
 */
#ifndef EVAL_DETECTION_AP_H
#define EVAL_DETECTION_AP_H

#include <roto/eval.h>
#include <stddef.h>

enum {
    AP_N_OVERLAPS = 10,
    AP_N_RECALLS = 101,
    AP_MAX_DETECTIONS = 100 /* per class and image; worse ones take no part */
};

/* A box of the ground truth, or a detection. Corners in pixels, x0 <= x1, y0 <= y1. */
typedef struct ap_object {
    int64_t image; /* any number; equal scores of different images rank by it */
    int32_t class_id;
    double x0, y0, x1, y1;
    double score; /* of a detection */
} ap_object;

/* *scores: the mean over classes that have ground truth (class_id -1), then each of those by rising
 * class_id; names are left empty and n_images zero. Free with free(). Coordinates and scores have
 * to be finite. */
roto_status detection_ap(const ap_object *truth, size_t n_truth, const ap_object *found,
                         size_t n_found, roto_detection_scores **scores, int32_t *n_scores);

#endif
