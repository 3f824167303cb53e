#include "class_list.h"
#include "command_line.h"
#include "commands.h"
#include "compute_options.h"
#include "exit_code.h"
#include "failure.h"
#include "interrupt.h"
#include "json_out.h"

#include <roto/roto.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_IMAGES = 100000 };

static const char name[] = "roto detect";

typedef struct detect_options {
    const char *detect, *json, *overlay;
    double min_score, nms_iou;
    bool quiet;
    compute_options compute;
    class_list classes;
} detect_options;

/* What stays the same from image to image. */
typedef struct detect_run {
    const detect_options *options;
    roto_detector *detector;
    json_out json;
    bool overlay_is_folder;
    long long n_images, n_objects;
} detect_run;

/* The file's name without folder and extension. */
static void stem_of(const char *path, path_text *out)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path;
    const char *dot = strrchr(base, '.');
    size_t length = dot && dot != base ? (size_t)(dot - base) : strlen(base);
    snprintf(out->text, sizeof(out->text), "%.*s", (int)length, base);
}

/* Where the picture with boxes of `image` goes: into the folder under the image's own name. */
static bool overlay_path(const detect_run *run, const char *image, path_text *out)
{
    path_text stem;
    stem_of(image, &stem);
    int n =
        run->overlay_is_folder
            ? snprintf(out->text, sizeof(out->text), "%s/%s.png", run->options->overlay, stem.text)
            : snprintf(out->text, sizeof(out->text), "%s", run->options->overlay);
    return n > 0 && (size_t)n < sizeof(out->text);
}

static int write_overlay(const detect_run *run, const char *path, const roto_image *image,
                         const roto_detection *objects, int32_t n)
{
    path_text out;
    if (!overlay_path(run, path, &out)) {
        fprintf(stderr, "%s: the overlay's path for \"%s\" is too long\n", name, path);
        return EXIT_USAGE;
    }
    roto_image drawn;
    void *storage = NULL;
    roto_status status = roto_detector_draw(run->detector, image, objects, n, &drawn, &storage);
    if (status == ROTO_OK)
        status = roto_image_write_png(out.text, &drawn);
    roto_image_free(storage);
    return status == ROTO_OK ? EXIT_OK : failure_report(name, status);
}

/* The fields of docs/formats.md. */
static int write_json(detect_run *run, const char *path, const roto_image *image,
                      const roto_detection *objects, int32_t n)
{
    json_out *json = &run->json;
    json_begin(json, NULL, '{');
    json_string(json, "name", path);
    json_integer(json, "width", image->width);
    json_integer(json, "height", image->height);
    json_begin(json, "objects", '[');
    for (int32_t i = 0; i < n; i++) {
        const roto_box *b = &objects[i].box;
        json_begin(json, NULL, '{');
        json_string(json, "class", roto_detector_class_name(run->detector, objects[i].class_id));
        json_integer(json, "class_id", objects[i].class_id);
        json_rounded(json, "score", (double)objects[i].score, 4);
        json_begin(json, "box", '[');
        const float edges[] = {b->x0, b->y0, b->x1, b->y1};
        for (size_t k = 0; k < sizeof(edges) / sizeof(edges[0]); k++)
            json_rounded(json, NULL, (double)edges[k], 2);
        json_end(json, ']');
        json_end(json, '}');
    }
    json_end(json, ']');
    json_end(json, '}');
    json_line(json);
    if (fflush(json->file) != 0)
        return failure_report_file(name, "write", run->options->json);
    return EXIT_OK;
}

static void print_objects(const detect_run *run, const char *path, const roto_detection *objects,
                          int32_t n)
{
    printf("%s: %d object%s\n", path, n, n == 1 ? "" : "s");
    for (int32_t i = 0; i < n; i++) {
        const roto_box *b = &objects[i].box;
        printf("  %-16s %.3f  from %.0f,%.0f to %.0f,%.0f\n",
               roto_detector_class_name(run->detector, objects[i].class_id),
               (double)objects[i].score, (double)b->x0, (double)b->y0, (double)b->x1,
               (double)b->y1);
    }
}

static int detect_image(detect_run *run, const char *path)
{
    roto_image image;
    void *storage = NULL;
    const roto_detection *objects;
    int32_t n;
    roto_status status = roto_image_read(path, &image, &storage);
    if (status != ROTO_OK)
        return failure_report(name, status);
    int code = EXIT_OK;
    status = roto_detector_run(run->detector, &image, &objects, &n);
    if (status != ROTO_OK) {
        fprintf(stderr, "%s: %s: %s\n", name, path, roto_error_message());
        code = exit_code_of(status);
        goto done;
    }
    run->n_images++;
    run->n_objects += n;
    if (!run->json.is_stdout && !run->options->quiet)
        print_objects(run, path, objects, n);
    if (run->options->json)
        code = write_json(run, path, &image, objects, n);
    if (code == EXIT_OK && run->options->overlay)
        code = write_overlay(run, path, &image, objects, n);
done:
    roto_image_free(storage);
    return code;
}

static bool is_folder(const char *path)
{
    struct stat info;
    return path && stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static int compare_stems(const void *a, const void *b)
{
    path_text x, y;
    stem_of(*(const char *const *)a, &x);
    stem_of(*(const char *const *)b, &y);
    return strcmp(x.text, y.text);
}

/* Two images of one name would write the same file. */
static int check_overlay_names(const command_line *c, char **images, int n)
{
    const char **sorted = malloc((size_t)n * sizeof(*sorted));
    if (!sorted) {
        fprintf(stderr, "%s: out of memory\n", name);
        return EXIT_MEMORY;
    }
    memcpy(sorted, images, (size_t)n * sizeof(*sorted));
    qsort(sorted, (size_t)n, sizeof(*sorted), compare_stems);
    int code = COMMAND_LINE_GO_ON;
    for (int i = 1; i < n && code == COMMAND_LINE_GO_ON; i++)
        if (compare_stems(&sorted[i - 1], &sorted[i]) == 0)
            code = command_line_refuse(c, "\"%s\" and \"%s\" would have the same overlay file",
                                       sorted[i - 1], sorted[i]);
    free(sorted);
    return code;
}

static int open_detector(const command_line *c, detect_options *o, roto_detector **detector)
{
    roto_detector_params params = roto_detector_params_default();
    int code = class_list_parse(&o->classes, c, o->detect);
    if (code == COMMAND_LINE_GO_ON)
        code = compute_options_apply(&o->compute, c, &params.compute);
    if (code != COMMAND_LINE_GO_ON)
        return code;
    params.min_score = (float)o->min_score;
    params.nms_iou = (float)o->nms_iou;
    roto_status status = roto_detector_open(o->compute.model_path.text, &params, detector);
    if (status != ROTO_OK)
        return failure_report(name, status);
    return class_list_apply(&o->classes, c, *detector);
}

static int run(const command_line *c, char **images, int n, detect_options *o)
{
    detect_run run = {.options = o, .overlay_is_folder = is_folder(o->overlay)};
    if (o->overlay && n > 1 && !run.overlay_is_folder)
        return command_line_refuse(c,
                                   "with several images --overlay must be a folder that exists, "
                                   "not \"%s\"",
                                   o->overlay);
    int code = o->overlay ? check_overlay_names(c, images, n) : COMMAND_LINE_GO_ON;
    if (code == COMMAND_LINE_GO_ON)
        code = open_detector(c, o, &run.detector);
    if (code != COMMAND_LINE_GO_ON)
        goto done;
    code = EXIT_OK;
    if (o->json && !json_open(&run.json, o->json)) {
        code = failure_report_file(name, "create", o->json);
        goto done;
    }
    interrupt_install();
    for (int i = 0; i < n && !interrupt_requested(); i++) {
        int one = detect_image(&run, images[i]);
        if (one != EXIT_OK)
            code = one; /* the other images are still worth reading */
    }
    if (o->json && !json_close(&run.json) && code == EXIT_OK)
        code = failure_report_file(name, "write", o->json);
    if (fflush(stdout) != 0 && code == EXIT_OK)
        code = failure_report_file(name, "write", "standard output");
    if (interrupt_requested())
        code = exit_code_of(ROTO_CANCELLED);
done:
    roto_detector_close(run.detector);
    return code;
}

int command_detect(int argc, char **argv)
{
    detect_options o = {.min_score = -1, .nms_iou = -1};
    option options[12 + N_COMPUTE_OPTIONS] = {
        option_text("--detect", "CLASS,...",
                    "what to find, for example person or \"car,traffic light\";\n"
                    "default: every class that the model knows",
                    &o.detect),
        option_text("--overlay", "OUT.png",
                    "write the picture with boxes drawn in; with several\n"
                    "images a folder that exists",
                    &o.overlay),
        option_text("--json", "OUT.jsonl", "write a line of JSON an image; - is standard output",
                    &o.json),
        option_real("--min-score", "S", "drop detections below S, 0..1; default: the model's",
                    &o.min_score, 0, 1),
        option_real("--nms-iou", "X",
                    "suppress boxes of a class that overlap more, 0..1;\n"
                    "default: the model's",
                    &o.nms_iou, 0, 1),
        option_flag("--quiet", "print errors only", &o.quiet),
    };
    compute_options_append(&o.compute, options);
    const command_line c = {
        .name = name,
        .operands = "IMAGE...",
        .about = "Finds objects in PNG and JPEG images and prints what is where, in pixels from\n"
                 "the top left corner. An image that cannot be read is reported, the others are\n"
                 "still worked on, and the exit code tells.",
        .examples = "  roto detect photo.jpg\n"
                    "  roto detect photo.jpg --detect person --overlay boxes.png\n"
                    "  roto detect shots/*.jpg --json objects.jsonl --overlay drawn/\n",
        .options = options,
        .least_operands = 1,
        .most_operands = MAX_IMAGES,
        .operand_what = "IMAGE, a PNG or JPEG file,",
    };
    int n_operands;
    int code = command_line_parse(&c, argc, argv, &n_operands);
    return code == COMMAND_LINE_GO_ON ? run(&c, argv, n_operands, &o) : code;
}
