#include "command_line.h"
#include "commands.h"
#include "compute_options.h"
#include "exit_code.h"
#include "failure.h"
#include "prompt_list.h"
#include "segment_everything.h"

#include <roto/roto.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char name[] = "roto segment";

enum { MAX_ID = 255 /* what a palette PNG holds */ };

typedef struct segment_options {
    const char *out, *overlay, *segmenter;
    bool all, quiet;
    compute_options compute;
    everything_options everything;
    prompt_texts marks;
    prompt_list prompts;
    path_text segmenter_path;
} segment_options;

/* What is worked on. */
typedef struct segment_run {
    const segment_options *options;
    roto_segmenter *segmenter;
    roto_image image;
    void *storage;
    uint8_t *ids;  /* of the image's pixels */
    uint16_t *map; /* the same as the segmenter gives it */
} segment_run;

/* "mask.png" and 2 give "mask-2.png"; without an extension the number comes last. */
static bool numbered(const char *path, int number, path_text *out)
{
    const char *dot = strrchr(path, '.'), *slash = strrchr(path, '/');
    const size_t stem = dot && (!slash || dot > slash) ? (size_t)(dot - path) : strlen(path);
    const int n =
        snprintf(out->text, sizeof(out->text), "%.*s-%d%s", (int)stem, path, number, path + stem);
    return n > 0 && (size_t)n < sizeof(out->text);
}

static roto_status write_picture(const segment_run *run, const char *path, bool overlay)
{
    const roto_image *image = &run->image;
    const roto_image ids = {.width = image->width,
                            .height = image->height,
                            .format = ROTO_PIXEL_GRAY8,
                            .plane = {run->ids},
                            .stride_bytes = {image->width}};
    if (!overlay)
        return roto_image_write_ids(path, &ids);
    roto_image drawn;
    void *storage = NULL;
    roto_status status = roto_image_draw_ids(image, &ids, &drawn, &storage);
    if (status == ROTO_OK)
        status = roto_image_write_png(path, &drawn);
    roto_image_free(storage);
    return status;
}

/* Writes run->ids to what was asked for; number -1: under the names that were given. */
static int write_outputs(const segment_run *run, int number)
{
    const char *const paths[] = {run->options->out, run->options->overlay};
    for (int i = 0; i < 2; i++) {
        path_text path;
        if (!paths[i])
            continue;
        if (number >= 0 && !numbered(paths[i], number, &path)) {
            fprintf(stderr, "%s: the path \"%s\" is too long\n", name, paths[i]);
            return EXIT_USAGE;
        }
        const roto_status status = write_picture(run, number < 0 ? paths[i] : path.text,
                                                 paths[i] == run->options->overlay);
        if (status != ROTO_OK)
            return failure_report(name, status);
    }
    return EXIT_OK;
}

static void print_share(const segment_run *run, double n_pixels, float iou)
{
    const double all = (double)run->image.width * (double)run->image.height;
    printf("%.2f %% of the picture, overlap with the truth estimated at %.2f", 100 * n_pixels / all,
           (double)iou);
}

/* Each object's mask; where they overlap the surer one has the pixel. */
static int segment_objects(segment_run *run)
{
    const prompt_list *prompts = &run->options->prompts;
    const roto_segment *segments;
    int32_t n = 0;
    roto_status status = roto_segmenter_frame(run->segmenter, &run->image, 0, NULL, NULL);
    for (int32_t i = 0; i < prompts->n && status == ROTO_OK; i++)
        status = roto_segmenter_prompt(run->segmenter, prompts->prompts[i].id, 0,
                                       &prompts->prompts[i].prompt);
    if (status == ROTO_OK)
        status = roto_segmenter_results(run->segmenter, &segments, &n);
    if (status == ROTO_OK)
        status = roto_segmenter_map(run->segmenter, run->map, run->image.width);
    if (status != ROTO_OK)
        return failure_report(name, status);
    const size_t n_pixels = (size_t)run->image.width * (size_t)run->image.height;
    for (size_t i = 0; i < n_pixels; i++)
        run->ids[i] = run->map[i] ? (uint8_t)segments[run->map[i] - 1].id : 0;
    for (int32_t i = 0; i < n && !run->options->quiet; i++) {
        const roto_box *b = &segments[i].box;
        printf("object %lld: ", (long long)segments[i].id);
        print_share(run, (double)segments[i].area, segments[i].iou);
        printf(", from %.0f,%.0f to %.0f,%.0f\n", (double)b->x0, (double)b->y0, (double)b->x1,
               (double)b->y1);
    }
    return write_outputs(run, -1);
}

/* Every mask that the prompt may mean, each with files of its own. */
static int segment_candidates(segment_run *run)
{
    const roto_run_prompt *prompt = &run->options->prompts.prompts[0];
    const roto_image_masks *masks;
    roto_status status = roto_segmenter_image(run->segmenter, &run->image);
    if (status == ROTO_OK)
        status = roto_segmenter_predict(run->segmenter, &prompt->prompt, NULL, &masks);
    for (int32_t i = 0; status == ROTO_OK && i < masks->n_candidates; i++) {
        status = roto_segmenter_candidate(run->segmenter, i, (uint8_t)prompt->id, run->ids,
                                          run->image.width);
        if (status != ROTO_OK)
            break;
        size_t n = 0;
        for (size_t k = 0; k < (size_t)run->image.width * (size_t)run->image.height; k++)
            n += run->ids[k] != 0;
        if (!run->options->quiet) {
            printf("mask %d: ", i);
            print_share(run, (double)n, masks->candidates[i].iou);
            printf("%s\n", i == masks->best ? "  (the one to take)" : "");
        }
        const int code = write_outputs(run, i);
        if (code != EXIT_OK)
            return code;
    }
    return failure_report(name, status);
}

static int open_run(segment_run *run, const char *path)
{
    const segment_options *o = run->options;
    roto_segmenter_params params = roto_segmenter_params_default();
    compute_options_set_device(&o->compute, &params.compute);
    params.max_objects = MAX_ID;
    roto_status status = roto_image_read(path, &run->image, &run->storage);
    if (status == ROTO_OK)
        status = roto_segmenter_open(o->segmenter_path.text, &params, &run->segmenter);
    if (status != ROTO_OK)
        return failure_report(name, status);
    const size_t n = (size_t)run->image.width * (size_t)run->image.height;
    run->ids = malloc(n);
    run->map = malloc(n * sizeof(*run->map));
    if (run->ids && run->map)
        return EXIT_OK;
    fprintf(stderr, "%s: out of memory\n", name);
    return EXIT_MEMORY;
}

static int check(const command_line *c, segment_options *o)
{
    const int code = prompt_list_parse(&o->prompts, c, &o->marks, false);
    if (code != COMMAND_LINE_GO_ON)
        return code;
    if (o->everything.on && (o->prompts.n > 0 || o->all))
        return command_line_refuse(c, "--everything needs no %s",
                                   o->all ? "--all" : "--point and no --box");
    const int refused = everything_options_check(&o->everything, c);
    if (refused != COMMAND_LINE_GO_ON)
        return refused;
    if (o->prompts.n == 0 && !o->everything.on)
        return command_line_refuse(c, "nothing says what to segment: --point, --box or "
                                      "--everything is missing");
    if (o->all && o->prompts.n > 1)
        return command_line_refuse(c, "--all shows what one object may be; there are %d",
                                   o->prompts.n);
    for (int32_t i = 0; i < o->prompts.n; i++)
        if (o->prompts.prompts[i].id > MAX_ID)
            return command_line_refuse(c, "object %lld: ids go up to %d here",
                                       (long long)o->prompts.prompts[i].id, MAX_ID);
    if (!environment_find_model(o->segmenter, DEFAULT_SEGMENTER, &o->segmenter_path))
        return command_line_refuse(c, "the path of the segmenter is longer than %d bytes",
                                   PATH_BYTES);
    return COMMAND_LINE_GO_ON;
}

static int run(const command_line *c, const char *path, segment_options *o)
{
    int code = check(c, o);
    if (code != COMMAND_LINE_GO_ON)
        return code;
    segment_run run = {.options = o};
    code = open_run(&run, path);
    if (code == EXIT_OK && o->everything.on)
        code = segment_everything(
            run.segmenter, &run.image, &o->everything,
            &(everything_outputs){
                .name = path, .ids = o->out, .overlay = o->overlay, .quiet = o->quiet});
    else if (code == EXIT_OK)
        code = o->all ? segment_candidates(&run) : segment_objects(&run);
    if (fflush(stdout) != 0 && code == EXIT_OK)
        code = failure_report_file(name, "write", "standard output");
    free(run.map);
    free(run.ids);
    roto_segmenter_close(run.segmenter);
    roto_image_free(run.storage);
    return code;
}

int command_segment(int argc, char **argv)
{
    segment_options o = {0};
    option options[8 + N_EVERYTHING_OPTIONS + N_DEVICE_OPTIONS] = {
        option_texts("--point", "[-]X,Y[:ID]",
                     "a point on the object, in pixels, or with a - one that\n"
                     "is not on it. Points of one ID (1..255; default: 1) are\n"
                     "one object. May be given many times",
                     &o.marks.points),
        option_texts("--box", "X0,Y0,X1,Y1[:ID]", "a box around the object, with or without points",
                     &o.marks.boxes),
        option_text("--out", "MASK.png", "write a palette PNG, each pixel its object's ID", &o.out),
        option_text("--overlay", "OUT.png", "write the picture with the masks drawn in",
                    &o.overlay),
        option_flag("--all",
                    "show every mask that the prompt may mean (a part, the\n"
                    "whole, ...), each in files of its own: MASK-0.png on",
                    &o.all),
        option_text("--segmenter", "FILE",
                    "a .safetensors or .pt file; default: the roto_s that\n"
                    "comes with roto. A bare name is looked up in the folder\n"
                    "ROTO_MODEL_DIR, else among the models of the program",
                    &o.segmenter),
        option_flag("--quiet", "print errors only", &o.quiet),
    };
    everything_options_append(&o.everything, options);
    compute_options_append_devices(&o.compute, options);
    const command_line c = {
        .name = name,
        .operands = "IMAGE",
        .about =
            "Finds the pixels of objects that points or boxes mark in a PNG or JPEG image, or\n"
            "masks of everything in it.",
        .examples = "  roto segment photo.jpg --point 320,240 --overlay seen.png\n"
                    "  roto segment photo.jpg --point 320,240 --all --out mask.png\n"
                    "  roto segment photo.jpg --box 40,30,300,420 --point -200,80 --out mask.png\n"
                    "  roto segment photo.jpg --point 320,240:1 --point 500,260:2 --out masks.png\n"
                    "  roto segment photo.jpg --everything --json masks.json --overlay seen.png\n",
        .options = options,
        .least_operands = 1,
        .most_operands = 1,
        .operand_what = "IMAGE, a PNG or JPEG file,",
    };
    int n_operands;
    int code = command_line_parse(&c, argc, argv, &n_operands);
    if (code == COMMAND_LINE_GO_ON)
        code = run(&c, argv[0], &o);
    prompt_list_free(&o.prompts);
    prompt_texts_free(&o.marks);
    return code;
}
