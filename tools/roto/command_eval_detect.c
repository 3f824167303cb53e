#include "command_line.h"
#include "commands.h"
#include "compute_options.h"
#include "exit_code.h"
#include "failure.h"
#include "json_out.h"
#include "table.h"

#include <roto/roto.h>

#include <string.h>

static const char name[] = "roto eval detect";

static int print_table(const roto_detection_scores *scores, int32_t n)
{
    table *t = table_new("class AP AP50 AP75 AR100 images boxes detections", n);
    if (!t) {
        fprintf(stderr, "%s: out of memory\n", name);
        return EXIT_MEMORY;
    }
    for (int32_t i = 0; i < n; i++) {
        const roto_detection_scores *s = &scores[i];
        table_text(t, s->name);
        const double shares[] = {s->ap, s->ap50, s->ap75, s->ar100};
        for (size_t k = 0; k < sizeof(shares) / sizeof(shares[0]); k++) {
            if (shares[k] < 0)
                table_text(t, "-"); /* no ground truth */
            else
                table_percent(t, shares[k]);
        }
        table_integer(t, s->n_images);
        table_integer(t, s->n_boxes);
        table_integer(t, s->n_detections);
    }
    return table_print_free(t) ? EXIT_OK : failure_report_file(name, "write", "standard output");
}

static int write_json(const char *path, const roto_detection_scores *scores, int32_t n)
{
    json_out json;
    if (!json_open(&json, path))
        return failure_report_file(name, "create", path);
    json_begin(&json, NULL, '[');
    for (int32_t i = 0; i < n; i++) {
        const roto_detection_scores *s = &scores[i];
        if (i)
            fputs("\n", json.file);
        json_begin(&json, NULL, '{');
        json_string(&json, "class", s->name);
        json_integer(&json, "class_id", s->class_id);
        json_real(&json, "ap", s->ap);
        json_real(&json, "ap50", s->ap50);
        json_real(&json, "ap75", s->ap75);
        json_real(&json, "ar100", s->ar100);
        json_integer(&json, "n_images", s->n_images);
        json_integer(&json, "n_boxes", s->n_boxes);
        json_integer(&json, "n_detections", s->n_detections);
        json_end(&json, '}');
    }
    json_end(&json, ']');
    json_line(&json);
    return json_close(&json) ? EXIT_OK : failure_report_file(name, "write", path);
}

typedef struct eval_options {
    const char *json;
    double min_score, nms_iou;
    bool missing_is_empty;
    compute_options compute;
} eval_options;

static int run(const command_line *c, const char *dir, eval_options *o)
{
    roto_detector_params params = roto_detector_params_default();
    int code = compute_options_apply(&o->compute, c, &params.compute);
    if (code != COMMAND_LINE_GO_ON)
        return code;
    params.min_score = (float)o->min_score;
    params.nms_iou = (float)o->nms_iou;
    roto_detector *detector = NULL;
    roto_status status = roto_detector_open(o->compute.model_path.text, &params, &detector);
    if (status != ROTO_OK)
        return failure_report(name, status);
    roto_detection_scores *scores = NULL;
    int32_t n = 0;
    status = roto_eval_detect(dir, detector, o->missing_is_empty, &scores, &n);
    roto_detector_close(detector);
    if (status != ROTO_OK)
        return failure_report(name, status);
    code = o->json && strcmp(o->json, "-") == 0 ? EXIT_OK : print_table(scores, n);
    if (code == EXIT_OK && o->json)
        code = write_json(o->json, scores, n);
    roto_eval_free(scores);
    return code;
}

int command_eval_detect(int argc, char **argv)
{
    /* Average precision wants the whole curve of recall, so hardly anything is dropped. */
    eval_options o = {.min_score = 0.001, .nms_iou = 0.65};
    option options[8 + N_COMPUTE_OPTIONS] = {
        option_real("--min-score", "S", "drop detections below S, 0..1; default: 0.001",
                    &o.min_score, 0, 1),
        option_real("--nms-iou", "X",
                    "suppress boxes of a class that overlap more;\n"
                    "default: 0.65",
                    &o.nms_iou, 0, 1),
        option_flag("--missing-is-empty",
                    "images without a label file have no objects; default:\n"
                    "they are left out",
                    &o.missing_is_empty),
        option_text("--json", "OUT",
                    "write the scores as JSON; - is standard output, without\n"
                    "the table then",
                    &o.json),
    };
    compute_options_append(&o.compute, options);
    const command_line c = {
        .name = name,
        .operands = "DIR",
        .about =
            "Runs a detector on the images of a YOLO-layout folder (DIR/images and\n"
            "DIR/labels, lines \"class cx cy w h\" in 0..1) and prints COCO average precision\n"
            "in percent: the mean over classes first, then each class with ground truth.",
        .examples = "  roto eval detect coco128/\n"
                    "  roto eval detect coco128/ --model mine.onnx --json ap.json\n",
        .options = options,
        .least_operands = 1,
        .most_operands = 1,
        .operand_what = "DIR",
    };
    int n_operands;
    int code = command_line_parse(&c, argc, argv, &n_operands);
    return code == COMMAND_LINE_GO_ON ? run(&c, argv[0], &o) : code;
}
