/* roto/eval.h - accuracy: tracking against MOTChallenge ground truth, detection against boxes. */
#ifndef ROTO_EVAL_H
#define ROTO_EVAL_H

#include <roto/detect.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Counts and scores of one sequence, or of all of them together ("COMBINED").
 * CLEAR: Bernardin & Stiefelhagen 2008. IDF1: Ristani et al. 2016. HOTA: Luiten et al. 2020, means
 * over the 19 localisation thresholds 0.05, 0.10 ... 0.95. Fractions in 0..1 (MOTA may be
 * negative). */
typedef struct roto_mot_scores {
    char name[64];
    double hota, deta, assa, loca; /* LocA: mean overlap of matches */
    double mota, motp, idf1, id_precision, id_recall;
    double recall, precision;
    int64_t tp, fp, fn, id_switches, fragments;
    int64_t idtp, idfp, idfn;
    int64_t mostly_tracked, partly_tracked, mostly_lost;
    int64_t n_frames, n_gt_boxes, n_gt_ids, n_boxes, n_ids;
} roto_mot_scores;

/* Compares result files with ground truth. `gt_dir` holds SEQUENCE/gt/gt.txt (and seqinfo.ini where
 * there is one: no frame may lie after its seqLength); `results_dir` holds SEQUENCE.txt for each
 * sequence evaluated, which may be empty. A sequence without a result file is an error unless
 * `sequences` (NULL: all folders that hold gt/gt.txt, by name) leaves it out.
 * Distractor and ignore rules are those of MOT15: ground truth with 0 in column 7 takes no part,
 * whatever the tracker found there counts, and classes (column 8) are passed over. An identity may
 * be in a frame once. docs/evaluation.md has the details.
 * *scores: one entry a sequence and COMBINED last; free with roto_eval_free(). */
ROTO_API roto_status roto_eval_mot(const char *gt_dir, const char *results_dir,
                                   const char *const *sequences, int32_t n_sequences,
                                   roto_mot_scores **scores, int32_t *n_scores);

/* COCO-style average precision of one class or, with class_id -1, the mean over classes. */
typedef struct roto_detection_scores {
    char name[64];
    int32_t class_id;
    double ap, ap50,
        ap75;     /* AP: mean over IoU 0.50:0.05:0.95, 101 recall points; -1: no ground truth */
    double ar100; /* recall with at most 100 detections an image, same IoUs */
    int64_t n_images, n_boxes, n_detections;
} roto_detection_scores;

/* Runs a detector on the images of a YOLO-layout folder: DIR/images/ and DIR/labels/ (or
 * DIR/object_detection/), searched in depth, with lines "class cx cy w h" in 0..1 of the image.
 * Images without a label file count as having no objects only when `missing_is_empty` is set; else
 * they are left out. *scores: mean first, then each class that has ground truth. */
ROTO_API roto_status roto_eval_detect(const char *dir, roto_detector *detector,
                                      int32_t missing_is_empty, roto_detection_scores **scores,
                                      int32_t *n_scores);

ROTO_API void roto_eval_free(void *scores); /* NULL is fine */

#ifdef __cplusplus
}
#endif
#endif
