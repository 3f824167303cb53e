#include "support/temp_folder.h"

#include "format/mot_text.h"

#include <locale.h>
#include <math.h>
#include <stdbool.h>
#include <sys/resource.h>

static roto_status read_text(const char *text, size_t bytes, mot_kind kind, mot_rows *rows)
{
    temp_folder folder = temp_folder_new();
    temp_path path = temp_folder_join(&folder, "det.txt");
    temp_folder_put(&path, text, bytes);
    roto_status status = mot_read(path.text, kind, rows);
    temp_folder_remove(&folder);
    return status;
}

static void rows_come_back_in_the_order_of_frames(void **state)
{
    (void)state;
    static const char text[] = "\xef\xbb\xbf"
                               "2,-1,10.5,-20.25,30,40,0.75,-1,-1,-1\r\n"
                               "\r\n"
                               " 1 ,\t7, 1e1 ,2,3.5,4,5,1,0.5\n"
                               "   \n"
                               "2,3,1,2,3,4,-5.5,\n"
                               "1.0,1,1,2,0,0,1";
    mot_rows rows;
    assert_int_equal(read_text(text, sizeof(text) - 1, MOT_DETECTIONS, &rows), ROTO_OK);
    assert_int_equal(rows.n, 4);
    const int64_t frames[] = {1, 1, 2, 2}, lines[] = {3, 6, 1, 5};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(rows.rows[i].frame, frames[i]);
        assert_int_equal(rows.rows[i].line, lines[i]);
        assert_int_equal(rows.rows[i].id, -1);
    }
    assert_true(rows.rows[0].left == 10 && rows.rows[0].width == 3.5);
    assert_true(rows.rows[2].left == 10.5 && rows.rows[2].top == -20.25);
    assert_true(rows.rows[2].width == 30 && rows.rows[2].height == 40);
    assert_true(rows.rows[2].score == 0.75 && rows.rows[3].score == -5.5);
    mot_rows_free(&rows);
    mot_rows_free(&rows);
    assert_int_equal(read_text("", 0, MOT_TRACKS, &rows), ROTO_OK);
    assert_int_equal(rows.n, 0);
    assert_int_equal(read_text("\n\n", 2, MOT_TRACKS, &rows), ROTO_OK);
    assert_int_equal(rows.n, 0);
    mot_rows_free(&rows);
}

static void bad_lines_are_refused_by_their_number(void **state)
{
    (void)state;
    static const struct {
        const char *line, *says;
        bool tracks;
    } cases[] = {
        {"1,1,1,1,1,1", "6 columns", false},
        {"1", "1 columns", false},
        {"1;1;1;1;1;1;1", "column 1 is \"1;1;1", false},
        {"1 1 1 1 1 1 1", "a number is needed", false},
        {"1,1,1,1,1,1,1,1,1,1,1", "more than 10 columns", false},
        {"1,1,1,1,1,1,1,,1", "column 8 is \"\"", false},
        {"1,1,1,1,1,1,1,1,,", "column 9", false},
        {",,,,,,", "column 1 is \"\"", false},
        {"1,1,nan,1,1,1,1", "column 3 is \"nan\"", false},
        {"1,1,1,inf,1,1,1", "column 4 is \"inf\"", false},
        {"1,1,1,1,0x10,1,1", "column 5", false},
        {"1,1,1,1,1e999,1,1", "too large", false},
        {"1,1,1,1,1,1,1e5000", "too large", false},
        {"1,1,1e7,1,1,1,1", "within", false},
        {"1,1,1,1,-1,1,1", "-1 wide", false},
        {"1,1,1,1,1,-0.5,1", "-0.5 high", false},
        {"0,1,1,1,1,1,1", "frame 0", false},
        {"-3,1,1,1,1,1,1", "frame -3", false},
        {"1.5,1,1,1,1,1,1", "frame 1.5", false},
        {"1e10,1,1,1,1,1,1", "frame 1000000000", false},
        {"1,2.5,1,1,1,1,1", "identity 2.5", true},
        {"1,-1,1,1,1,1,1", "identity -1", true},
        {"1,1e18,1,1,1,1,1", "identity", true},
        {"1,5,1,1,1,1,1", "a second time, after line 1", true},
        {"frame,id,x,y,w,h,s", "column 1 is \"frame\"", false},
        {"1,1,1.2.3,1,1,1,1", "column 3", false},
        {"1,1,--1,1,1,1,1", "column 3", false},
        {"1,1,e,1,1,1,1", "column 3", false},
        {"\x01\x02,1,1,1,1,1,1", "column 1 is \"?\?\"", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[256];
        int n = snprintf(text, sizeof(text), "1,5,1,1,1,1,1\n\n%s\n", cases[i].line);
        mot_rows rows = {0};
        mot_kind kind = cases[i].tracks ? MOT_TRACKS : MOT_DETECTIONS;
        assert_int_equal(read_text(text, (size_t)n, kind, &rows), ROTO_ERROR_FORMAT);
        assert_null(rows.rows);
        const char *message = roto_error_message();
        if (!strstr(message, cases[i].says) || !strstr(message, "det.txt:3:"))
            fail_msg("\"%s\": \"%s\" does not say \"%s\" of line 3", cases[i].line, message,
                     cases[i].says);
    }
}

static void long_and_binary_lines_are_refused(void **state)
{
    (void)state;
    size_t bytes = 1 << 20;
    char *text = malloc(bytes);
    assert_non_null(text);
    mot_rows rows = {0};
    const char fillers[] = {'1', ',', 'x', 0, '-', (char)0xff};
    for (size_t i = 0; i < sizeof(fillers); i++) {
        memset(text, fillers[i], bytes);
        assert_int_equal(read_text(text, bytes, MOT_DETECTIONS, &rows), ROTO_ERROR_FORMAT);
    }
    free(text);
}

/* Every way of cutting or changing a byte of a good file is either read or refused, never worse;
 * the sanitizers watch. */
static void mutilated_files_do_no_harm(void **state)
{
    (void)state;
    static const char good[] = "1,1,10.5,20,30,40,0.5,-1,-1,-1\r\n2,1,10,20,30,40,1e-1,1,0.3\n";
    static const char bytes[] = {0, ',', '\n', '\r', '-', 'e', '9', '.', (char)0x80, ' '};
    char text[sizeof(good)];
    int n_read = 0, n_refused = 0;
    for (size_t cut = 0; cut < sizeof(good); cut++) {
        for (size_t b = 0; b < sizeof(bytes); b++) {
            memcpy(text, good, sizeof(good));
            text[cut] = bytes[b];
            mot_rows rows = {0};
            size_t length = b == 0 ? cut : sizeof(good) - 1; /* a NUL and a cut at once */
            roto_status status = read_text(text, length, MOT_TRACKS, &rows);
            assert_true(status == ROTO_OK || status == ROTO_ERROR_FORMAT);
            n_read += status == ROTO_OK;
            n_refused += status != ROTO_OK;
            mot_rows_free(&rows);
        }
    }
    assert_true(n_read > 20 && n_refused > 20);
}

static void other_things_than_files_are_refused(void **state)
{
    (void)state;
    mot_rows rows = {0};
    assert_int_equal(mot_read("/nonexistent/det.txt", MOT_TRACKS, &rows), ROTO_ERROR_IO);
    assert_non_null(strstr(roto_error_message(), "/nonexistent/det.txt"));
    assert_int_equal(mot_read("/tmp", MOT_TRACKS, &rows), ROTO_ERROR_IO);
    assert_int_equal(mot_read("/dev/zero", MOT_TRACKS, &rows), ROTO_ERROR_IO);
}

static void sequence_info_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        roto_status status;
        int64_t n_frames;
        double fps;
    } cases[] = {
        {"[Sequence]\nname=A\nframeRate=29.97\nseqLength=525\nimWidth=1920\n", ROTO_OK, 525, 29.97},
        {"[Sequence]\r\n framerate = 30 \r\n SeqLength\t=\t7 \r\n\r\n", ROTO_OK, 7, 30},
        {"; nothing of interest\n", ROTO_OK, 0, 0},
        {"seqLength=12", ROTO_OK, 12, 0},
        {"seqLength=0\n", ROTO_ERROR_FORMAT, 0, 0},
        {"seqLength=\n", ROTO_ERROR_FORMAT, 0, 0},
        {"seqLength=1.5\n", ROTO_ERROR_FORMAT, 0, 0},
        {"seqLength=1e30\n", ROTO_ERROR_FORMAT, 0, 0},
        {"seqLength=12x\n", ROTO_ERROR_FORMAT, 0, 0},
        {"seqLength=nan\n", ROTO_ERROR_FORMAT, 0, 0},
        {"frameRate=-5\n", ROTO_ERROR_FORMAT, 0, 0},
        {"frameRate=111111111111111111111111111111111111111111111\n", ROTO_ERROR_FORMAT, 0, 0},
    };
    temp_folder folder = temp_folder_new();
    temp_path path = temp_folder_join(&folder, "seqinfo.ini");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        temp_folder_put(&path, cases[i].text, strlen(cases[i].text));
        mot_sequence_info info;
        assert_int_equal(mot_sequence_info_read(path.text, &info), cases[i].status);
        if (cases[i].status != ROTO_OK) {
            assert_non_null(strstr(roto_error_message(), "seqinfo.ini:1:"));
            continue;
        }
        assert_int_equal(info.n_frames, cases[i].n_frames);
        assert_true(info.frames_per_s == cases[i].fps);
    }
    temp_folder_remove(&folder);
}

static roto_track track(int64_t id, float x, float y, float width, float height, float score)
{
    return (roto_track){.id = id, .box = {x, y, x + width, y + height}, .score = score};
}

static void what_is_written_can_be_read_after_every_frame(void **state)
{
    (void)state;
    temp_folder folder = temp_folder_new();
    temp_path path = temp_folder_join(&folder, "out.txt");
    mot_writer *writer = NULL;
    /* Where commas part decimals, the file must not follow. */
    const char *german = setlocale(LC_NUMERIC, "de_DE.UTF-8");
    assert_int_equal(mot_writer_open(path.text, &writer), ROTO_OK);
    size_t written = 0;
    for (int frame = 1; frame <= 20; frame++) {
        roto_track tracks[3] = {track(1, -0.001f, 2, 3, 4, 1),
                                track(7, -10.26f, 1e6f - 64, 0.5f, 63, 0.12346f),
                                track(INT64_C(900000000000), 100.005f, 5, 6, 7, 0)};
        int n = frame % 4;
        assert_int_equal(mot_writer_frame(writer, 2 * frame, tracks, n), ROTO_OK);
        written += (size_t)n;
        mot_rows rows;
        assert_int_equal(mot_read(path.text, MOT_TRACKS, &rows), ROTO_OK);
        assert_int_equal(rows.n, written);
        for (int i = 0; i < n; i++) {
            const mot_row *r = &rows.rows[rows.n - (size_t)(n - i)];
            const roto_box *b = &tracks[i].box;
            assert_int_equal(r->frame, 2 * frame);
            assert_int_equal(r->id, tracks[i].id);
            assert_true(fabs(r->left - b->x0) <= 0.0051 && fabs(r->top - b->y0) <= 0.0051);
            assert_true(fabs(r->width - (b->x1 - b->x0)) <= 0.0051);
            assert_true(fabs(r->height - (b->y1 - b->y0)) <= 0.0051);
            assert_true(fabs(r->score - tracks[i].score) <= 0.000051);
        }
        mot_rows_free(&rows);
    }
    if (german)
        setlocale(LC_NUMERIC, "C");
    assert_int_equal(mot_writer_close(writer), ROTO_OK);
    temp_folder_remove(&folder);
}

static void lines_look_as_the_benchmark_wants_them(void **state)
{
    (void)state;
    temp_folder folder = temp_folder_new();
    temp_path path = temp_folder_join(&folder, "out.txt");
    mot_writer *writer = NULL;
    assert_int_equal(mot_writer_open(path.text, &writer), ROTO_OK);
    roto_track tracks[2] = {track(3, 1.25f, -0.5f, 10, 20.5f, 0.875f), track(4, 0, 0, 1, 1, 1)};
    assert_int_equal(mot_writer_frame(writer, 1, tracks, 2), ROTO_OK);
    assert_int_equal(mot_writer_close(writer), ROTO_OK);
    size_t bytes = 0;
    char *text = temp_folder_get(&path, &bytes);
    assert_string_equal(text, "1,3,1.25,-0.50,10.00,20.50,0.8750,-1,-1,-1\n"
                              "1,4,0.00,0.00,1.00,1.00,1.0000,-1,-1,-1\n");
    free(text);
    temp_folder_remove(&folder);
}

static void a_full_disk_leaves_whole_frames(void **state)
{
    (void)state;
    temp_folder folder = temp_folder_new();
    temp_path path = temp_folder_join(&folder, "out.txt");
    struct rlimit before, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = (struct rlimit){.rlim_cur = 100, .rlim_max = before.rlim_max};
    mot_writer *writer = NULL;
    assert_int_equal(mot_writer_open(path.text, &writer), ROTO_OK);
    roto_track tracks[2] = {track(1, 1, 2, 3, 4, 1), track(2, 1, 2, 3, 4, 1)};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    roto_status first = mot_writer_frame(writer, 1, tracks, 2);
    roto_status second = mot_writer_frame(writer, 2, tracks, 2);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(first, ROTO_OK);
    assert_int_equal(second, ROTO_ERROR_IO);
    assert_non_null(strstr(roto_error_message(), "frame 2"));
    mot_rows rows;
    assert_int_equal(mot_read(path.text, MOT_TRACKS, &rows), ROTO_OK);
    assert_int_equal(rows.n, 2);
    mot_rows_free(&rows);
    /* Once there is room again, the frame can be written after all. */
    assert_int_equal(mot_writer_frame(writer, 2, tracks, 2), ROTO_OK);
    assert_int_equal(mot_writer_close(writer), ROTO_OK);
    assert_int_equal(mot_read(path.text, MOT_TRACKS, &rows), ROTO_OK);
    assert_int_equal(rows.n, 4);
    mot_rows_free(&rows);
    temp_folder_remove(&folder);
}

static void a_writer_refuses_what_it_could_not_read(void **state)
{
    (void)state;
    temp_folder folder = temp_folder_new();
    temp_path path = temp_folder_join(&folder, "out.txt");
    mot_writer *writer = NULL;
    assert_int_equal(mot_writer_open("/nonexistent/out.txt", &writer), ROTO_ERROR_IO);
    assert_null(writer);
    assert_int_equal(mot_writer_open(folder.path, &writer), ROTO_ERROR_IO);
    assert_int_equal(mot_writer_open(path.text, &writer), ROTO_OK);
    const roto_track bad[] = {track(-1, 1, 1, 1, 1, 1),       track(1, NAN, 1, 1, 1, 1),
                              track(1, 1, 1, INFINITY, 1, 1), track(1, 1, 1, -1, 1, 1),
                              track(1, 1, 2e6f, 1, 1, 1),     track(1, 1, 1, 1, 1, NAN),
                              track(1, 1, 1, 1, 1, 1.5f)};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(mot_writer_frame(writer, 1, &bad[i], 1), ROTO_ERROR_ARGUMENT);
    assert_int_equal(mot_writer_frame(writer, 0, NULL, 0), ROTO_ERROR_ARGUMENT);
    assert_int_equal(mot_writer_frame(writer, 2, NULL, 0), ROTO_OK);
    assert_int_equal(mot_writer_frame(writer, 2, NULL, 0), ROTO_ERROR_ARGUMENT);
    assert_int_equal(mot_writer_close(writer), ROTO_OK);
    assert_int_equal(mot_writer_close(NULL), ROTO_OK);
    temp_folder_remove(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_come_back_in_the_order_of_frames),
        cmocka_unit_test(bad_lines_are_refused_by_their_number),
        cmocka_unit_test(long_and_binary_lines_are_refused),
        cmocka_unit_test(mutilated_files_do_no_harm),
        cmocka_unit_test(other_things_than_files_are_refused),
        cmocka_unit_test(sequence_info_is_read),
        cmocka_unit_test(what_is_written_can_be_read_after_every_frame),
        cmocka_unit_test(lines_look_as_the_benchmark_wants_them),
        cmocka_unit_test(a_full_disk_leaves_whole_frames),
        cmocka_unit_test(a_writer_refuses_what_it_could_not_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
