#include "pipeline/run_params.h"

#include "base/error.h"

#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_CRF = 51, MAX_CLASS_NAMES = 4096, MAX_PROMPTS = 1000000, MAX_DETECT_EVERY = 1000000 };

roto_run_params roto_run_params_default(void)
{
    return (roto_run_params){.struct_bytes = sizeof(roto_run_params),
                             .source = roto_source_params_default(),
                             .detector = roto_detector_params_default(),
                             .tracker = roto_tracker_params_default(),
                             .follower = roto_follower_params_default(),
                             .segmenter = roto_segmenter_params_default(),
                             .overlay_preset = "superfast",
                             .overlay_crf = 25};
}

/* The same file or folder, whatever the spelling; two that do not exist yet only by their names. */
static bool same_file(const char *a, const char *b)
{
    struct stat sa, sb;
    if (!a || !b)
        return false;
    if (stat(a, &sa) == 0 && stat(b, &sb) == 0)
        return (S_ISREG(sa.st_mode) || S_ISDIR(sa.st_mode)) && sa.st_dev == sb.st_dev &&
               sa.st_ino == sb.st_ino;
    return strcmp(a, b) == 0;
}

/* An output that is the input would be cut to nothing before it is read. */
static roto_status check_files_differ(const roto_run_params *p)
{
    const struct {
        const char *what, *path;
    } files[] = {{"the input", p->input},       {"overlay_path", p->overlay_path},
                 {"json_path", p->json_path},   {"mot_path", p->mot_path},
                 {"masks_path", p->masks_path}, {"matte_path", p->matte_path}};
    const int n = sizeof(files) / sizeof(files[0]);
    for (int i = 0; i < n; i++)
        for (int k = i + 1; k < n; k++)
            if (same_file(files[i].path, files[k].path) && strcmp(files[k].path, "-") != 0)
                return roto_fail(ROTO_ERROR_ARGUMENT, "run: %s and %s are the same, \"%s\"",
                                 files[i].what, files[k].what, files[k].path);
    return ROTO_OK;
}

/* Something has to say what is to be followed. */
static roto_status check_models(const roto_run_params *p)
{
    if (p->n_prompts < 0 || p->n_prompts > MAX_PROMPTS || (p->n_prompts > 0 && !p->prompts))
        return roto_fail(ROTO_ERROR_ARGUMENT,
                         "run: n_prompts is %d; it must be in 0..%d, and prompts not NULL",
                         p->n_prompts, MAX_PROMPTS);
    if (!p->model_path && p->n_prompts == 0)
        return roto_fail(ROTO_ERROR_ARGUMENT, "run: there is no model_path, which finds objects, "
                                              "and no prompt that marks one");
    if (p->detect_every < 0 || p->detect_every > MAX_DETECT_EVERY)
        return roto_fail(ROTO_ERROR_ARGUMENT, "run: detect_every is %d; it must be in 0..%d",
                         p->detect_every, MAX_DETECT_EVERY);
    const bool with_masks = p->detect_every > 0 || !p->model_path;
    if (p->n_prompts > 0 && !with_masks)
        return roto_fail(ROTO_ERROR_ARGUMENT, "run: prompts beside a detector need its objects to "
                                              "be carried as masks too: detect_every at least 1");
    if (with_masks && !p->segmenter_path)
        return roto_fail(ROTO_ERROR_ARGUMENT, "run: %s a segmenter_path",
                         p->n_prompts > 0 ? "prompts need" : "detect_every needs");
    if (!with_masks && (p->masks_path || p->matte_path))
        return roto_fail(ROTO_ERROR_ARGUMENT,
                         "run: %s needs prompts, or detect_every at least 1: a detector alone "
                         "finds boxes",
                         p->masks_path ? "masks_path" : "matte_path");
    return ROTO_OK;
}

roto_status run_params_check(const roto_run_params *p)
{
    if (!p)
        return roto_fail(ROTO_ERROR_ARGUMENT, "run: no parameters were given");
    if (p->struct_bytes != sizeof(*p))
        return roto_fail(ROTO_ERROR_ARGUMENT,
                         "run: parameters of %zu bytes, not %zu; start from "
                         "roto_run_params_default()",
                         p->struct_bytes, sizeof(*p));
    if (!p->input || !*p->input)
        return roto_fail(ROTO_ERROR_ARGUMENT, "run: there is no input; name a video, a folder of "
                                              "images or \"-\"");
    ROTO_TRY(check_models(p));
    if (p->n_class_names < 0 || p->n_class_names > MAX_CLASS_NAMES ||
        (p->n_class_names > 0 && !p->class_names))
        return roto_fail(ROTO_ERROR_ARGUMENT,
                         "run: n_class_names is %d; it must be in 0..%d, and "
                         "class_names not NULL",
                         p->n_class_names, MAX_CLASS_NAMES);
    if (p->max_frames < 0)
        return roto_fail(ROTO_ERROR_ARGUMENT,
                         "run: max_frames is %lld; it must be at least 1, or "
                         "0 for all",
                         (long long)p->max_frames);
    if (p->overlay_crf < 0 || p->overlay_crf > MAX_CRF)
        return roto_fail(ROTO_ERROR_ARGUMENT, "run: overlay_crf is %d; it must be in 0..%d",
                         p->overlay_crf, MAX_CRF);
    if (p->overlay_path && !p->overlay_preset)
        return roto_fail(ROTO_ERROR_ARGUMENT, "run: overlay_preset is NULL");
    return check_files_differ(p);
}
