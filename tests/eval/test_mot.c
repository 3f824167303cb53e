#include "eval/golden.h"
#include "support/temp_folder.h"

#include <roto/eval.h>

#include <ftw.h>
#include <stdbool.h>
#include <sys/stat.h>

static const struct {
    const char *key;
    size_t offset;
} FRACTIONS[] = {{"hota", offsetof(roto_mot_scores, hota)},
                 {"deta", offsetof(roto_mot_scores, deta)},
                 {"assa", offsetof(roto_mot_scores, assa)},
                 {"loca", offsetof(roto_mot_scores, loca)},
                 {"mota", offsetof(roto_mot_scores, mota)},
                 {"motp", offsetof(roto_mot_scores, motp)},
                 {"idf1", offsetof(roto_mot_scores, idf1)},
                 {"id_precision", offsetof(roto_mot_scores, id_precision)},
                 {"id_recall", offsetof(roto_mot_scores, id_recall)},
                 {"recall", offsetof(roto_mot_scores, recall)},
                 {"precision", offsetof(roto_mot_scores, precision)}},
  COUNTS[] = {{"tp", offsetof(roto_mot_scores, tp)},
              {"fp", offsetof(roto_mot_scores, fp)},
              {"fn", offsetof(roto_mot_scores, fn)},
              {"id_switches", offsetof(roto_mot_scores, id_switches)},
              {"fragments", offsetof(roto_mot_scores, fragments)},
              {"idtp", offsetof(roto_mot_scores, idtp)},
              {"idfp", offsetof(roto_mot_scores, idfp)},
              {"idfn", offsetof(roto_mot_scores, idfn)},
              {"mostly_tracked", offsetof(roto_mot_scores, mostly_tracked)},
              {"partly_tracked", offsetof(roto_mot_scores, partly_tracked)},
              {"mostly_lost", offsetof(roto_mot_scores, mostly_lost)},
              {"n_gt_boxes", offsetof(roto_mot_scores, n_gt_boxes)},
              {"n_gt_ids", offsetof(roto_mot_scores, n_gt_ids)},
              {"n_boxes", offsetof(roto_mot_scores, n_boxes)},
              {"n_ids", offsetof(roto_mot_scores, n_ids)}};

/* Folders like those of the benchmark, filled in by the tests. */
typedef struct bench_folder {
    temp_folder root;
    temp_path gt, results;
} bench_folder;

static bench_folder bench_folder_new(void)
{
    bench_folder f = {.root = temp_folder_new()};
    f.gt = temp_folder_join(&f.root, "gt");
    f.results = temp_folder_join(&f.root, "results");
    assert_int_equal(mkdir(f.gt.text, 0777), 0);
    assert_int_equal(mkdir(f.results.text, 0777), 0);
    return f;
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *at)
{
    (void)info;
    (void)kind;
    (void)at;
    return remove(path);
}

static void bench_folder_remove(const bench_folder *f)
{
    assert_int_equal(nftw(f->root.path, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static temp_path path_in(const temp_path *folder, const char *name, const char *tail)
{
    temp_path path;
    int n = snprintf(path.text, sizeof(path.text), "%.255s/%.64s%.32s", folder->text, name, tail);
    assert_in_range(n, 1, sizeof(path.text) - 1);
    return path;
}

static void put(const temp_path *path, const char *text)
{
    temp_folder_put(path, text, strlen(text));
}

/* n_frames 0: no seqinfo.ini. */
static void add_sequence(const bench_folder *f, const char *name, const char *truth,
                         const char *found, int n_frames)
{
    temp_path dir = path_in(&f->gt, name, ""), inner = path_in(&f->gt, name, "/gt");
    mkdir(dir.text, 0777);
    mkdir(inner.text, 0777);
    temp_path gt = path_in(&f->gt, name, "/gt/gt.txt"), ini = path_in(&f->gt, name, "/seqinfo.ini"),
              results = path_in(&f->results, name, ".txt");
    put(&gt, truth);
    if (found)
        put(&results, found);
    if (n_frames) {
        char text[128];
        snprintf(text, sizeof(text), "[Sequence]\r\nname=%s\r\nframeRate=30\r\nseqLength=%d\r\n",
                 name, n_frames);
        put(&ini, text);
    }
}

static const cJSON *text_of(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    assert_true(cJSON_IsString(item));
    return item;
}

static void check_scores(const char *name, const roto_mot_scores *s, const cJSON *expected)
{
    for (size_t i = 0; i < sizeof(FRACTIONS) / sizeof(FRACTIONS[0]); i++) {
        double value = *(const double *)((const char *)s + FRACTIONS[i].offset);
        double right = golden_number(expected, FRACTIONS[i].key);
        if (!(fabs(value - right) <= 1e-9)) /* double precision; the order of sums differs */
            fail_msg("%s, %s: %s is %.12g, not %.12g", name, s->name, FRACTIONS[i].key, value,
                     right);
    }
    for (size_t i = 0; i < sizeof(COUNTS) / sizeof(COUNTS[0]); i++) {
        int64_t value = *(const int64_t *)((const char *)s + COUNTS[i].offset);
        double right = golden_number(expected, COUNTS[i].key);
        if ((double)value != right)
            fail_msg("%s, %s: %s is %lld, not %g", name, s->name, COUNTS[i].key, (long long)value,
                     right);
    }
}

static void check_case(const cJSON *golden)
{
    const char *name = text_of(golden, "name")->valuestring;
    bench_folder f = bench_folder_new();
    const cJSON *sequences = cJSON_GetObjectItemCaseSensitive(golden, "sequences"), *item = NULL;
    int n_sequences = 0;
    double n_frames = 0;
    cJSON_ArrayForEach(item, sequences)
    {
        add_sequence(&f, item->string, text_of(item, "truth")->valuestring,
                     text_of(item, "found")->valuestring, (int)golden_number(item, "n_frames"));
        n_frames += golden_number(item, "n_frames");
        n_sequences++;
    }
    roto_mot_scores *scores = NULL;
    int32_t n = 0;
    if (roto_eval_mot(f.gt.text, f.results.text, NULL, 0, &scores, &n) != ROTO_OK)
        fail_msg("%s: %s", name, roto_error_message());
    assert_int_equal(n, n_sequences + 1);
    assert_string_equal(scores[n - 1].name, "COMBINED");
    assert_true((double)scores[n - 1].n_frames == n_frames);
    const cJSON *expected = cJSON_GetObjectItemCaseSensitive(golden, "scores");
    for (int32_t i = 0; i < n; i++) {
        const cJSON *of_one = cJSON_GetObjectItemCaseSensitive(expected, scores[i].name);
        assert_non_null(of_one);
        check_scores(name, &scores[i], of_one);
    }
    roto_eval_free(scores);
    bench_folder_remove(&f);
}

static void scores_are_those_of_trackeval(void **state)
{
    (void)state;
    cJSON *golden = golden_read("eval/golden/mot.json");
    assert_in_range(cJSON_GetArraySize(golden), 5, 100);
    const cJSON *item = NULL;
    cJSON_ArrayForEach(item, golden) check_case(item);
    cJSON_Delete(golden);
}

/* One sequence's scores; the folder is removed. */
static roto_mot_scores score(const char *truth, const char *found)
{
    bench_folder f = bench_folder_new();
    add_sequence(&f, "s", truth, found, 0);
    roto_mot_scores *scores = NULL;
    int32_t n = 0;
    if (roto_eval_mot(f.gt.text, f.results.text, NULL, 0, &scores, &n) != ROTO_OK)
        fail_msg("%s", roto_error_message());
    assert_int_equal(n, 2);
    roto_mot_scores first = scores[0];
    roto_eval_free(scores);
    bench_folder_remove(&f);
    return first;
}

/* Two people and what was found, by hand: id 1 is found twice, then as another identity; id 2 is
 * found in frames 1 and 3. */
static const char *const TRUTH = "1,1,0,0,10,10,1,-1,-1,-1\n2,1,0,0,10,10,1,-1,-1,-1\n"
                                 "3,1,0,0,10,10,1,-1,-1,-1\n1,2,50,0,10,10,1,-1,-1,-1\n"
                                 "2,2,50,0,10,10,1,-1,-1,-1\n3,2,50,0,10,10,1,-1,-1,-1\n";
static const char *const FOUND = "1,11,0,0,10,10,1\n2,11,0,0,10,10,1\n3,12,0,0,10,10,1\n"
                                 "1,13,50,0,10,10,1\n3,13,50,0,10,10,1\n2,14,200,0,10,10,1\n";

static void a_case_counted_by_hand_comes_out(void **state)
{
    (void)state;
    roto_mot_scores s = score(TRUTH, FOUND);
    assert_int_equal(s.tp, 5);
    assert_int_equal(s.fp, 1);
    assert_int_equal(s.fn, 1);
    assert_int_equal(s.id_switches, 1);
    assert_int_equal(s.fragments, 1);
    assert_int_equal(s.mostly_tracked, 1);
    assert_int_equal(s.partly_tracked, 1);
    assert_int_equal(s.idtp, 4);
    assert_int_equal(s.n_frames, 3);
    assert_near(s.mota, 0.5, 1e-12);
    assert_near(s.motp, 1, 1e-12);
    assert_near(s.idf1, 8.0 / 12, 1e-12);
    assert_near(s.deta, 5.0 / 7, 1e-12);
    /* Pairs (1,11) twice at 2/3, (1,12) once at 1/3, (2,13) twice at 2/3. */
    assert_near(s.assa, (2 * 2.0 / 3 + 1.0 / 3 + 2 * 2.0 / 3) / 5, 1e-12);
}

static void names_of_identities_and_order_of_lines_do_not_matter(void **state)
{
    (void)state;
    roto_mot_scores a = score(TRUTH, FOUND);
    roto_mot_scores b =
        score(TRUTH, "2,900719925474099,0,0,10,10,1\n3,0,0,0,10,10,1\n2,3,200,0,10,10,1\n"
                     "1,900719925474099,0,0,10,10,1\n3,8,50,0,10,10,1\n1,8,50,0,10,10,1\n");
    assert_memory_equal(&a, &b, sizeof(a));
}

static void the_ground_truth_itself_is_perfect(void **state)
{
    (void)state;
    roto_mot_scores s = score(TRUTH, TRUTH);
    assert_near(s.hota, 1, 1e-12);
    assert_near(s.mota, 1, 1e-12);
    assert_near(s.idf1, 1, 1e-12);
    assert_int_equal(s.fragments, 0);
}

static void expect_failure(const bench_folder *f, const char *const *names, int32_t n_names,
                           roto_status status, const char *says)
{
    roto_mot_scores *scores = (roto_mot_scores *)(uintptr_t)1;
    int32_t n = 5;
    assert_int_equal(roto_eval_mot(f->gt.text, f->results.text, names, n_names, &scores, &n),
                     status);
    assert_null(scores);
    assert_int_equal(n, 0);
    if (!strstr(roto_error_message(), says))
        fail_msg("\"%s\" does not say \"%s\"", roto_error_message(), says);
}

static void wrong_folders_and_files_are_refused(void **state)
{
    (void)state;
    bench_folder f = bench_folder_new();
    expect_failure(&f, NULL, 0, ROTO_ERROR_ARGUMENT, "no sequences");
    add_sequence(&f, "a", TRUTH, FOUND, 3);
    add_sequence(&f, "b", TRUTH, NULL, 3);
    expect_failure(&f, NULL, 0, ROTO_ERROR_IO, "b.txt");
    expect_failure(&f, (const char *const[]){"a", "c"}, 2, ROTO_ERROR_IO, "c/gt/gt.txt");
    expect_failure(&f, (const char *const[]){"a", "a"}, 2, ROTO_ERROR_ARGUMENT, "twice");
    expect_failure(&f, (const char *const[]){"../a"}, 1, ROTO_ERROR_ARGUMENT, "../a");
    expect_failure(&f, (const char *const[]){""}, 1, ROTO_ERROR_ARGUMENT, "name");
    expect_failure(&f, (const char *const[]){NULL}, 1, ROTO_ERROR_ARGUMENT, "name");
    expect_failure(&f, (const char *const[]){"a"}, 0, ROTO_ERROR_ARGUMENT, "0 sequences");
    add_sequence(&f, "b", TRUTH, "1,1,0,0,10,10,1\n4,1,0,0,10,10,1\n", 3);
    expect_failure(&f, NULL, 0, ROTO_ERROR_FORMAT, "b.txt:2: frame 4");
    add_sequence(&f, "b", TRUTH, "1,1,0,0,10,10,1\n1,1,5,0,10,10,1\n", 3);
    expect_failure(&f, NULL, 0, ROTO_ERROR_FORMAT, "b.txt:2: identity 1");
    add_sequence(&f, "b", TRUTH, "1,-1,0,0,10,10,1\n", 3);
    expect_failure(&f, NULL, 0, ROTO_ERROR_FORMAT, "b.txt:1: identity -1");
    roto_mot_scores *scores = NULL;
    int32_t n = 0;
    assert_int_equal(
        roto_eval_mot(f.gt.text, f.results.text, (const char *const[]){"a"}, 1, &scores, &n),
        ROTO_OK);
    assert_int_equal(n, 2);
    roto_eval_free(scores);
    assert_int_equal(roto_eval_mot(NULL, f.results.text, NULL, 0, &scores, &n),
                     ROTO_ERROR_ARGUMENT);
    bench_folder_remove(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_are_those_of_trackeval),
        cmocka_unit_test(a_case_counted_by_hand_comes_out),
        cmocka_unit_test(names_of_identities_and_order_of_lines_do_not_matter),
        cmocka_unit_test(the_ground_truth_itself_is_perfect),
        cmocka_unit_test(wrong_folders_and_files_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
