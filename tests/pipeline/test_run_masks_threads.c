/* Masks go from the model's thread to the writers', and no number of threads changes a bit of them.
 */
#include "support/cmocka_all.h"
#include "support/temp_folder.h"

#include <roto/roto.h>

/* Few, for thread sanitizer. */
enum { N_FRAMES = 2, N_OUTPUTS = 3 };

static void run(int n_threads, const temp_path outputs[N_OUTPUTS])
{
    static const float child[] = {360, 200};
    roto_run_prompt prompt = {.id = 1, .prompt = roto_prompt_default()};
    prompt.prompt.points = child;
    prompt.prompt.n_points = 1;
    roto_run_params p = roto_run_params_default();
    p.input = ROTO_SOURCE_DIR "/assets/clips/bedroom.mp4";
    p.segmenter_path = ROTO_SOURCE_DIR "/assets/models/roto_s.safetensors";
    p.segmenter.compute.n_threads = n_threads;
    p.prompts = &prompt;
    p.n_prompts = 1;
    p.max_frames = N_FRAMES;
    p.json_path = outputs[0].text;
    p.overlay_path = outputs[1].text;
    p.matte_path = outputs[2].text;
    if (roto_run(&p, NULL) != ROTO_OK)
        fail_msg("%s", roto_error_message());
}

static void the_number_of_threads_changes_no_bit(void **state)
{
    (void)state;
    static const char *const names[] = {"t.jsonl", "t.mp4", "matte.mp4"};
    temp_folder folders[2] = {temp_folder_new(), temp_folder_new()};
    temp_path outputs[2][N_OUTPUTS];
    for (int i = 0; i < 2; i++) {
        for (int k = 0; k < N_OUTPUTS; k++)
            outputs[i][k] = temp_folder_join(&folders[i], names[k]);
        run(i + 1, outputs[i]);
    }
    for (int k = 0; k < N_OUTPUTS; k++) {
        size_t one_bytes, two_bytes;
        char *one = temp_folder_get(&outputs[0][k], &one_bytes);
        char *two = temp_folder_get(&outputs[1][k], &two_bytes);
        assert_int_equal(one_bytes, two_bytes);
        assert_memory_equal(one, two, one_bytes);
        assert_true(k > 0 || strstr(one, "\"counts\""));
        free(one);
        free(two);
    }
    temp_folder_remove(&folders[0]);
    temp_folder_remove(&folders[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_number_of_threads_changes_no_bit)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
