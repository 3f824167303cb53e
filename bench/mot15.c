/* bench_mot15: how well roto's tracker follows people, given the detections of MOTChallenge 2015.
 *
 *   bench_mot15 [--data DIR] [--out DIR] [--peers DIR] [--each] [--grid] [--json FILE]
 *               [--set NAME=VALUE]...
 *
 * DIR/SEQUENCE holds det/det.txt, gt/gt.txt and seqinfo.ini (default: $ROTO_DATA/mot15). Results
 * are written to OUT/SEQUENCE.txt. --peers adds what bench/peers/mot15_trackers.py wrote: each
 * tracker's published setting and the best of its grid; --grid adds the best of a grid of roto's
 * own parameters, smaller than theirs. --set changes a parameter. --each shows every sequence.
 */
#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "format/file.h"
#include "format/mot_text.h"

#include <roto/roto.h>

#include <cJSON.h>
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MAX_PATH = 1024, MAX_ENTRIES = 4096, INDEX_MAX_BYTES = 16 << 20, N_COLUMNS = 11 };

/* A line of the table. */
typedef struct entry {
    char name[64], settings[256];
    bool published;
    double ms_per_frame;
    roto_mot_scores *scores;
    int32_t n_scores;
} entry;

typedef struct options {
    const char *data, *out, *peers, *json;
    bool each, grid;
    roto_tracker_params params;
} options;

static const char *const COLUMNS[N_COLUMNS] = {"HOTA", "MOTA", "IDF1", "IDSW",     "Frag", "FP",
                                               "FN",   "DetA", "AssA", "ms/frame", "ids"};

static double column(const roto_mot_scores *s, double ms_per_frame, int c)
{
    const double values[N_COLUMNS] = {100 * s->hota,          100 * s->mota,        100 * s->idf1,
                                      (double)s->id_switches, (double)s->fragments, (double)s->fp,
                                      (double)s->fn,          100 * s->deta,        100 * s->assa,
                                      ms_per_frame,           (double)s->n_ids};
    return values[c];
}

static roto_status join(char path[MAX_PATH], const char *a, const char *b, const char *c)
{
    if (snprintf(path, MAX_PATH, "%s/%s%s", a, b, c) >= MAX_PATH)
        return roto_fail(ROTO_ERROR_ARGUMENT, "%s/%s%s: too long a path", a, b, c);
    return ROTO_OK;
}

/* Tracks the frames of one sequence; *busy_ns is the time inside roto_tracker_update(). */
static roto_status track_frames(roto_tracker *tracker, const mot_rows *rows,
                                const mot_sequence_info *info, roto_detection *found,
                                mot_writer *writer, int64_t *busy_ns)
{
    double frame_s = 1 / info->frames_per_s;
    size_t at = 0;
    for (int64_t frame = 1; frame <= info->n_frames; frame++) {
        int32_t n = 0;
        for (; at < rows->n && rows->rows[at].frame == frame; at++) {
            const mot_row *r = &rows->rows[at];
            found[n++] =
                (roto_detection){.box = {(float)r->left, (float)r->top, (float)(r->left + r->width),
                                         (float)(r->top + r->height)},
                                 .score = (float)r->score};
        }
        const roto_track *tracks = NULL;
        int32_t n_tracks = 0;
        int64_t start = clock_now_ns();
        ROTO_TRY(roto_tracker_update(tracker, found, n, (double)(frame - 1) * frame_s, frame_s,
                                     &tracks, &n_tracks));
        *busy_ns += clock_now_ns() - start;
        ROTO_TRY(mot_writer_frame(writer, frame, tracks, n_tracks));
    }
    return ROTO_OK;
}

static roto_status track_sequence(const options *o, const char *name, int64_t *busy_ns,
                                  int64_t *n_frames)
{
    char path[MAX_PATH];
    mot_sequence_info info;
    mot_rows rows = {0};
    mot_writer *writer = NULL;
    roto_tracker *tracker = NULL;
    roto_detection *found = NULL;
    ROTO_TRY(join(path, o->data, name, "/seqinfo.ini"));
    ROTO_TRY(mot_sequence_info_read(path, &info));
    if (!info.n_frames || info.frames_per_s <= 0)
        return roto_fail(ROTO_ERROR_FORMAT, "%s: seqLength and frameRate are needed", path);
    ROTO_TRY(join(path, o->data, name, "/det/det.txt"));
    ROTO_TRY(mot_read(path, MOT_DETECTIONS, &rows));
    found = memory_new_array(rows.n, sizeof(*found));
    roto_status status = found ? join(path, o->out, name, ".txt") : ROTO_ERROR_MEMORY;
    if (status == ROTO_OK)
        status = mot_writer_open(path, &writer);
    if (status == ROTO_OK)
        status = roto_tracker_new(&o->params, &tracker);
    if (status == ROTO_OK)
        status = track_frames(tracker, &rows, &info, found, writer, busy_ns);
    *n_frames += info.n_frames;
    roto_status closed = mot_writer_close(writer);
    roto_tracker_free(tracker);
    free(found);
    mot_rows_free(&rows);
    return status == ROTO_OK ? closed : status;
}

static roto_status run_roto(const options *o, entry *e)
{
    snprintf(e->name, sizeof(e->name), "roto");
    DIR *folder = opendir(o->data);
    if (!folder)
        return roto_fail(ROTO_ERROR_IO, "%s: cannot open the folder: %s", o->data, strerror(errno));
    int64_t busy_ns = 0, n_frames = 0;
    roto_status status = ROTO_OK;
    for (struct dirent *item; status == ROTO_OK && (item = readdir(folder));) {
        char path[MAX_PATH];
        status = join(path, o->data, item->d_name, "/det/det.txt");
        if (status == ROTO_OK && access(path, R_OK) == 0)
            status = track_sequence(o, item->d_name, &busy_ns, &n_frames);
    }
    closedir(folder);
    ROTO_TRY(status);
    e->ms_per_frame = n_frames ? (double)busy_ns / 1e6 / (double)n_frames : 0;
    return roto_eval_mot(o->data, o->out, NULL, 0, &e->scores, &e->n_scores);
}

/* Every combination of what depends on a detector: what its scores mean, how often it errs. */
static roto_status run_grid(const options *o, entry *entries, int *n)
{
    static const float HIGH[] = {0.5f, 0.6f, 0.7f, 0.8f}, IOU[] = {0.2f, 0.3f};
    static const int32_t HITS[] = {2, 3, 4};
    for (int i = 0; i < 4 * 2 * 3; i++) {
        options one = *o;
        entry *e = &entries[(*n)++];
        one.params.high_score = HIGH[i % 4];
        one.params.birth_score = HIGH[i % 4] + 0.1f;
        one.params.match_iou = IOU[i / 4 % 2];
        one.params.confirm_hits = HITS[i / 8];
        snprintf(e->settings, sizeof(e->settings),
                 " high_score=%g birth_score=%g match_iou=%g confirm_hits=%d",
                 (double)one.params.high_score, (double)one.params.birth_score,
                 (double)one.params.match_iou, one.params.confirm_hits);
        ROTO_TRY(run_roto(&one, e));
    }
    return ROTO_OK;
}

/* "name=value" for each setting. */
static void describe(const cJSON *settings, char *text, size_t room)
{
    size_t used = 0;
    const cJSON *item = NULL;
    text[0] = 0;
    cJSON_ArrayForEach(item, settings)
    {
        int n = cJSON_IsNumber(item)
                    ? snprintf(text + used, room - used, " %s=%g", item->string, item->valuedouble)
                    : snprintf(text + used, room - used, " %s=%s", item->string,
                               cJSON_IsTrue(item) ? "yes" : "no");
        if (n < 0 || (size_t)n >= room - used)
            return;
        used += (size_t)n;
    }
}

static roto_status read_peer(const options *o, const cJSON *item, entry *e)
{
    const cJSON *name = cJSON_GetObjectItem(item, "name"),
                *folder = cJSON_GetObjectItem(item, "folder"),
                *ms = cJSON_GetObjectItem(item, "ms_per_frame");
    if (!cJSON_IsString(name) || !cJSON_IsString(folder) || !cJSON_IsNumber(ms))
        return roto_fail(ROTO_ERROR_FORMAT, "%s/index.json: name, folder and ms_per_frame needed",
                         o->peers);
    snprintf(e->name, sizeof(e->name), "%s", name->valuestring);
    describe(cJSON_GetObjectItem(item, "settings"), e->settings, sizeof(e->settings));
    e->published = cJSON_IsTrue(cJSON_GetObjectItem(item, "published"));
    e->ms_per_frame = ms->valuedouble;
    char path[MAX_PATH];
    ROTO_TRY(join(path, o->peers, folder->valuestring, ""));
    return roto_eval_mot(o->data, path, NULL, 0, &e->scores, &e->n_scores);
}

static roto_status run_peers(const options *o, entry *entries, int *n)
{
    char path[MAX_PATH];
    file_bytes file;
    ROTO_TRY(join(path, o->peers, "index.json", ""));
    ROTO_TRY(file_read(path, INDEX_MAX_BYTES, &file));
    cJSON *index = cJSON_ParseWithLength((const char *)file.data, file.bytes);
    file_release(&file);
    if (!cJSON_IsArray(index)) {
        cJSON_Delete(index);
        return roto_fail(ROTO_ERROR_FORMAT, "%s: a JSON array is needed", path);
    }
    roto_status status = ROTO_OK;
    const cJSON *item = NULL;
    cJSON_ArrayForEach(item, index)
    {
        if (status == ROTO_OK && *n < MAX_ENTRIES)
            status = read_peer(o, item, &entries[(*n)++]);
    }
    cJSON_Delete(index);
    return status;
}

/* By what a grid is judged: the two measures that trade against each other. */
static double merit(const entry *e)
{
    const roto_mot_scores *all = &e->scores[e->n_scores - 1];
    return all->mota + all->idf1;
}

/* Published settings are shown, and of the others each tracker's best one. */
static bool is_shown(const entry *entries, int n, int i)
{
    if (entries[i].published)
        return true;
    for (int k = 0; k < n; k++)
        if (!entries[k].published && strcmp(entries[k].name, entries[i].name) == 0 &&
            (merit(&entries[k]) > merit(&entries[i]) ||
             (k < i && merit(&entries[k]) >= merit(&entries[i]))))
            return false;
    return true;
}

static const char *kind(const entry *e)
{
    if (!e->published)
        return "best of grid";
    return strcmp(e->name, "roto") == 0 ? "default" : "published";
}

static void print_row(const char *name, const char *what, const roto_mot_scores *s, double ms)
{
    printf("%-16s %-13s", name, what);
    for (int c = 0; c < N_COLUMNS; c++) {
        double value = column(s, ms, c);
        printf(" %8.*f", value == floor(value) ? 0 : c == 9 ? 4 : 2, value);
    }
    printf("\n");
}

static void print_table(const entry *entries, int n, bool each)
{
    printf("%-16s %-13s", "", "");
    for (int c = 0; c < N_COLUMNS; c++)
        printf(" %8s", COLUMNS[c]);
    printf("\n");
    for (int i = 0; i < n; i++) {
        const entry *e = &entries[i];
        if (!is_shown(entries, n, i))
            continue;
        for (int32_t k = 0; each && k + 1 < e->n_scores; k++)
            print_row(e->scores[k].name, e->name, &e->scores[k], e->ms_per_frame);
        print_row(e->name, kind(e), &e->scores[e->n_scores - 1], e->ms_per_frame);
        if (e->settings[0] && !each)
            printf("  %s\n", e->settings);
    }
}

static void add_text(cJSON *object, const char *key, const char *text)
{
    cJSON_AddStringToObject(object, key, text);
}

/* The commit that is checked out, or "unknown". */
static void read_commit(char *text, size_t room)
{
    FILE *git = popen("git describe --always --dirty --abbrev=10 2>/dev/null", "r");
    if (!git || !fgets(text, (int)room, git))
        snprintf(text, room, "unknown");
    text[strcspn(text, "\n")] = 0;
    if (git)
        pclose(git);
}

static roto_status write_json(const options *o, const entry *entries, int n)
{
    char text[256] = "";
    cJSON *root = cJSON_CreateObject();
    add_text(root, "title", "Tracking people: MOT15 with Faster R-CNN detections, six sequences");
    time_t now = time(NULL);
    struct tm day;
    strftime(text, sizeof(text), "%Y-%m-%d", gmtime_r(&now, &day));
    add_text(root, "date", text);
    read_commit(text, sizeof(text));
    add_text(root, "commit", text);
    roto_cpu_describe(text, sizeof(text));
    add_text(root, "device", text);
    add_text(root, "command",
             "build/release/bench/bench_mot15 --grid --peers DIR --json bench/results/mot15.json, "
             "with DIR from "
             "bench/peers/mot15_trackers.py --grid");
    add_text(
        root, "note",
        "The best of a grid is the setting with the greatest MOTA + IDF1 over these sequences. "
        "Peers run in Python, roto in C: their times per frame are theirs, not the method's, and "
        "were taken on a busy machine.");
    cJSON *rows = cJSON_AddArrayToObject(root, "rows");
    for (int i = 0; i < n; i++) {
        if (!is_shown(entries, n, i))
            continue;
        cJSON *row = cJSON_CreateObject();
        add_text(row, "tracker", entries[i].name);
        add_text(row, "settings", kind(&entries[i]));
        add_text(row, "parameters", entries[i].settings[0] ? entries[i].settings + 1 : "");
        for (int c = 0; c < N_COLUMNS; c++) {
            double value =
                column(&entries[i].scores[entries[i].n_scores - 1], entries[i].ms_per_frame, c);
            snprintf(text, sizeof(text),
                     value == floor(value) ? "%.0f"
                     : c == 9              ? "%.4f"
                                           : "%.2f",
                     value);
            cJSON_AddRawToObject(row, COLUMNS[c], text);
        }
        cJSON_AddItemToArray(rows, row);
    }
    char *json = cJSON_Print(root);
    cJSON_Delete(root);
    FILE *file = json ? fopen(o->json, "w") : NULL;
    bool written = file && fprintf(file, "%s\n", json) > 0;
    if (file && fclose(file) != 0)
        written = false;
    free(json);
    return written ? ROTO_OK
                   : roto_fail(ROTO_ERROR_IO, "%s: cannot write: %s", o->json, strerror(errno));
}

static roto_status set_param(roto_tracker_params *p, const char *text)
{
    const struct {
        const char *name;
        float *real;
        int32_t *whole;
    } known[] = {{"high_score", &p->high_score, NULL},
                 {"low_score", &p->low_score, NULL},
                 {"birth_score", &p->birth_score, NULL},
                 {"match_iou", &p->match_iou, NULL},
                 {"match_iou_low", &p->match_iou_low, NULL},
                 {"momentum_weight", &p->momentum_weight, NULL},
                 {"momentum_frames", NULL, &p->momentum_frames},
                 {"confirm_hits", NULL, &p->confirm_hits}};
    const char *sign = strchr(text, '=');
    size_t length = sign ? (size_t)(sign - text) : 0;
    if (length == strlen("max_absence_s") && strncmp(text, "max_absence_s", length) == 0) {
        p->max_absence_s = atof(sign + 1);
        return ROTO_OK;
    }
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (length != strlen(known[i].name) || strncmp(text, known[i].name, length) != 0)
            continue;
        if (known[i].real)
            *known[i].real = (float)atof(sign + 1);
        else
            *known[i].whole = atoi(sign + 1);
        return ROTO_OK;
    }
    return roto_fail(ROTO_ERROR_ARGUMENT, "%s: no such parameter", text);
}

static roto_status read_options(int argc, char **argv, options *o)
{
    static char data[MAX_PATH];
    o->params = roto_tracker_params_default();
    const char *root = getenv("ROTO_DATA");
    if (root) {
        ROTO_TRY(join(data, root, "mot15", ""));
        o->data = data;
    }
    const struct {
        const char *name, **value;
    } texts[] = {
        {"--data", &o->data}, {"--out", &o->out}, {"--peers", &o->peers}, {"--json", &o->json}};
    for (int i = 1; i < argc; i++) {
        bool known = strcmp(argv[i], "--each") == 0 || strcmp(argv[i], "--grid") == 0;
        o->each |= strcmp(argv[i], "--each") == 0;
        o->grid |= strcmp(argv[i], "--grid") == 0;
        for (size_t k = 0; !known && i + 1 < argc && k < sizeof(texts) / sizeof(texts[0]); k++) {
            known = strcmp(argv[i], texts[k].name) == 0;
            if (known)
                *texts[k].value = argv[++i];
        }
        if (!known && strcmp(argv[i], "--set") == 0 && i + 1 < argc) {
            ROTO_TRY(set_param(&o->params, argv[++i]));
            known = true;
        }
        if (!known)
            return roto_fail(ROTO_ERROR_ARGUMENT, "%s: see the head of bench/mot15.c", argv[i]);
    }
    if (!o->data)
        return roto_fail(ROTO_ERROR_ARGUMENT, "say where the data is: --data DIR or ROTO_DATA");
    if (!o->out)
        o->out = "mot15-results";
    if (mkdir(o->out, 0777) != 0 && errno != EEXIST)
        return roto_fail(ROTO_ERROR_IO, "%s: cannot create: %s", o->out, strerror(errno));
    return ROTO_OK;
}

int main(int argc, char **argv)
{
    options o = {0};
    int n = 1;
    entry *entries = memory_new_array(MAX_ENTRIES, sizeof(*entries));
    roto_status status = entries ? read_options(argc, argv, &o) : ROTO_ERROR_MEMORY;
    if (status == ROTO_OK && o.grid)
        status = run_grid(&o, entries, &n);
    if (status == ROTO_OK) { /* after the grid, so that its results are those that stay */
        entries[0].published = true;
        status = run_roto(&o, &entries[0]);
    }
    if (status == ROTO_OK && o.peers)
        status = run_peers(&o, entries, &n);
    if (status == ROTO_OK)
        print_table(entries, n, o.each);
    if (status == ROTO_OK && o.json)
        status = write_json(&o, entries, n);
    if (status != ROTO_OK)
        fprintf(stderr, "bench_mot15: %s\n", roto_error_message());
    for (int i = 0; entries && i < n; i++)
        roto_eval_free(entries[i].scores);
    free(entries);
    return status == ROTO_OK ? 0 : 1;
}
