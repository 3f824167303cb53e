/* Checkpoints as they are published: what they are of, and what is said about wrong ones. Tensors
 * are zeros that share one storage, under the names and with the shapes of the official models. */
#include "support/cmocka_all.h"
#include "support/golden.h"
#include "support/temp_folder.h"

#include "models/sam2/file.h"
#include "models/sam2/published_names.h"

#include <roto/model.h>

#include <inttypes.h>
#include <stdlib.h>

enum { MAX_TENSORS = 1000, SHARED_BYTES = 3072 * 768 * 4 }; /* the largest tensor of SAM 2.1 tiny */

typedef struct tensor {
    char name[SAM2_TENSOR_NAME_BYTES];
    tensor_shape shape;
} tensor;

typedef struct listing {
    tensor tensors[MAX_TENSORS];
    int n;
} listing;

/* The tensors of a model, from its golden file: "name base scale dimensions" a line. */
static listing *official(const char *golden_path)
{
    listing *l = calloc(1, sizeof(*l));
    assert_non_null(l);
    golden *g = golden_open(golden_path);
    const char *at = golden_metadata(g, "roto.tensors");
    for (; *at; at++) {
        assert_true(l->n < MAX_TENSORS);
        tensor *t = &l->tensors[l->n++];
        int used = 0;
        assert_int_equal(sscanf(at, "%255s %*f %*f%n", t->name, &used), 1);
        for (at += used; *at == ' '; at += used)
            assert_int_equal(sscanf(at, "%" SCNd64 "%n", &t->shape.dim[t->shape.rank++], &used), 1);
        assert_int_equal(*at, '\n');
    }
    golden_close(g);
    return l;
}

static listing *official_tiny(void)
{
    return official("tests/models/golden/sam2_hiera_t.safetensors");
}

static tensor *find(listing *l, const char *name)
{
    for (int i = 0; i < l->n; i++) {
        if (strcmp(l->tensors[i].name, name) == 0)
            return &l->tensors[i];
    }
    fail_msg("no tensor '%s'", name);
    return NULL;
}

static void drop(listing *l, const char *name)
{
    tensor *t = find(l, name);
    *t = l->tensors[--l->n];
}

static void append(listing *l, const char *name, tensor_shape shape)
{
    assert_true(l->n < MAX_TENSORS);
    snprintf(l->tensors[l->n].name, sizeof(l->tensors[l->n].name), "%s", name);
    l->tensors[l->n++].shape = shape;
}

/* ---- as a file of torch.save() ----------------------------------------------------------------
 */

static void put_number(FILE *file, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        fputc((int)(value >> 8 * i & 0xff), file);
}

static void put_text(FILE *file, const char *text)
{
    fputc('X', file);
    put_number(file, strlen(text), 4);
    fputs(text, file);
}

static void put_integer(FILE *file, int64_t value)
{
    fputc('J', file);
    put_number(file, (uint64_t)value, 4);
}

static void put_pickle(FILE *file, const listing *l)
{
    fputs("\x80\2}", file);
    put_text(file, "model");
    fputs("}(", file);
    for (int i = 0; i < l->n; i++) {
        const tensor *t = &l->tensors[i];
        put_text(file, t->name);
        fputs("ctorch._utils\n_rebuild_tensor_v2\n((", file);
        put_text(file, "storage");
        fputs("ctorch\nFloatStorage\n", file);
        put_text(file, "0");
        put_text(file, "cpu");
        put_integer(file, SHARED_BYTES / 4);
        fputs("tQ", file);
        put_integer(file, 0);
        fputc('(', file);
        for (int k = 0; k < t->shape.rank; k++)
            put_integer(file, t->shape.dim[k]);
        fputs("t(", file);
        int64_t stride = shape_count(&t->shape);
        for (int k = 0; k < t->shape.rank; k++)
            put_integer(file, stride /= t->shape.dim[k]);
        fputs("t\x89)tR", file);
    }
    fputs("us.", file);
}

static void put_entry(FILE *file, const char *signature, const char *name, long bytes, long place)
{
    const bool central = place >= 0;
    fputs(signature, file);
    put_number(file, 20, central ? 6 : 4);
    put_number(file, 0, 2); /* method */
    put_number(file, 0, 8); /* time, date, checksum */
    put_number(file, (uint64_t)bytes, 4);
    put_number(file, (uint64_t)bytes, 4);
    put_number(file, strlen(name), 2);
    put_number(file, 0, 2);
    if (central) {
        put_number(file, 0, 8);
        put_number(file, 0, 2);
        put_number(file, (uint64_t)place, 4);
    }
    fputs(name, file);
}

static void write_torch(const char *path, const listing *l)
{
    char *pickle = NULL;
    size_t pickle_bytes = 0;
    FILE *memory = open_memstream(&pickle, &pickle_bytes);
    assert_non_null(memory);
    put_pickle(memory, l);
    fclose(memory);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    put_entry(file, "PK\3\4", "m/data.pkl", (long)pickle_bytes, -1);
    fwrite(pickle, 1, pickle_bytes, file);
    const long storage = ftell(file);
    put_entry(file, "PK\3\4", "m/data/0", SHARED_BYTES, -1);
    fseek(file, SHARED_BYTES, SEEK_CUR);
    const long directory = ftell(file);
    put_entry(file, "PK\1\2", "m/data.pkl", (long)pickle_bytes, 0);
    put_entry(file, "PK\1\2", "m/data/0", SHARED_BYTES, storage);
    const long end = ftell(file);
    fputs("PK\5\6", file);
    put_number(file, 0, 4);
    put_number(file, 2, 2);
    put_number(file, 2, 2);
    put_number(file, (uint64_t)(end - directory), 4);
    put_number(file, (uint64_t)directory, 4);
    put_number(file, 0, 2);
    assert_int_equal(fclose(file), 0);
    free(pickle);
}

static roto_status open_model(const listing *l, sam2_model **out)
{
    const temp_folder folder = temp_folder_new();
    const temp_path path = temp_folder_join(&folder, "model.pt");
    write_torch(path.text, l);
    const roto_status status = sam2_model_open(path.text, out);
    temp_folder_remove(&folder); /* the mapping stays */
    return status;
}

static void assert_model(const listing *l, const char *name, int64_t n_parameters)
{
    sam2_model *m = NULL;
    if (open_model(l, &m) != ROTO_OK)
        fail_msg("%s", roto_error_message());
    assert_string_equal(m->config.name, name);
    assert_int_equal(weights_n_parameters(m->weights), n_parameters);
    sam2_model_free(m);
}

static void assert_refused(const listing *l, roto_status expected, const char *said)
{
    sam2_model *m = NULL;
    assert_int_equal(open_model(l, &m), expected);
    assert_null(m);
    if (!strstr(roto_error_message(), said))
        fail_msg("'%s' does not say '%s'", roto_error_message(), said);
}

/* ---- tests ------------------------------------------------------------------------------------
 */

/* Parameters as counted by PyTorch in the official models. */
enum { TINY_PARAMETERS = 38962754, TINY_PARAMETERS_2_0 = 38946242, EDGETAM_PARAMETERS = 13943042 };

static void official_files_are_recognised(void **state)
{
    (void)state;
    listing *l = official_tiny();
    assert_model(l, "sam2.1_hiera_tiny", TINY_PARAMETERS);
    append(l, "image_encoder.trunk.bn.num_batches_tracked", (tensor_shape){0});
    assert_model(l, "sam2.1_hiera_tiny", TINY_PARAMETERS);
    drop(l, "image_encoder.trunk.bn.num_batches_tracked");
    drop(l, "no_obj_embed_spatial");
    assert_refused(l, ROTO_ERROR_FORMAT, "'no_obj_embed_spatial' [1, 64] is missing");
    drop(l, "obj_ptr_tpos_proj.weight");
    drop(l, "obj_ptr_tpos_proj.bias");
    assert_model(l, "sam2_hiera_tiny", TINY_PARAMETERS_2_0);
    free(l);
}

static void what_does_not_fit_is_listed(void **state)
{
    (void)state;
    listing *l = official_tiny();
    drop(l, "memory_attention.layers.3.linear1.bias");
    find(l, "sam_mask_decoder.iou_token.weight")->shape.dim[1] = 255;
    append(l, "sam_mask_decoder.new.weight", SHAPE(2));
    assert_refused(l, ROTO_ERROR_FORMAT, "model.pt: 3 tensors do not fit: ");
    static const char *const parts[] = {
        "'memory_attention.layers.3.linear1.bias' [2048] is missing",
        "'sam_mask_decoder.iou_token.weight' has shape [1, 255] instead of [1, 256]",
        "'sam_mask_decoder.new.weight' is not part of this model",
    };
    for (int i = 0; i < 3; i++)
        assert_non_null(strstr(roto_error_message(), parts[i]));
    drop(l, "image_encoder.trunk.patch_embed.proj.weight");
    assert_refused(l, ROTO_ERROR_FORMAT,
                   "'image_encoder.trunk.patch_embed.proj.weight', by which SAM 2");
    append(l, "image_encoder.trunk.patch_embed.proj.weight", SHAPE(100, 3, 7, 7));
    assert_refused(l, ROTO_ERROR_UNSUPPORTED, "a Hiera of 100 channels and 12 blocks");
    free(l);
}

static void sizes_differ_in_channels_and_blocks(void **state)
{
    (void)state;
    static const struct {
        int64_t channels;
        const char *last_block, *said;
    } sizes[] = {
        {96, "image_encoder.trunk.blocks.11.norm1.bias", "\"sam2_hiera_tiny\""},
        {96, "image_encoder.trunk.blocks.15.norm1.bias", "\"sam2_hiera_small\""},
        {112, "image_encoder.trunk.blocks.23.norm1.bias", "\"sam2_hiera_base_plus\""},
        {144, "image_encoder.trunk.blocks.47.norm1.bias", "\"sam2_hiera_large\""},
    };
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        const named_tensor tensors[] = {
            {.name = "image_encoder.trunk.blocks.2.norm1.bias"},
            {.name = sizes[i].last_block},
            {.name = "image_encoder.trunk.patch_embed.proj.weight",
             .shape = SHAPE(sizes[i].channels, 3, 7, 7)},
        };
        char config[SAM2_CONFIG_TEXT_BYTES];
        sam2_config parsed;
        assert_int_equal(sam2_recognise(tensors, 3, config), ROTO_OK);
        assert_non_null(strstr(config, sizes[i].said));
        if (sam2_config_parse(config, (int64_t)strlen(config), &parsed) != ROTO_OK)
            fail_msg("%s", roto_error_message());
        assert_int_equal(parsed.trunk_channels[0], sizes[i].channels);
        assert_false(parsed.pointer_time);
    }
}

/* golden/hugging_face_names.txt: "theirs official" a line. */
static void hugging_face_names_are_official_ones(void **state)
{
    (void)state;
    FILE *file = fopen(ROTO_SOURCE_DIR "/tests/models/golden/hugging_face_names.txt", "r");
    assert_non_null(file);
    char theirs[256], official[256], found[SAM2_TENSOR_NAME_BYTES];
    int n = 0;
    while (fscanf(file, "%255s %255s", theirs, official) == 2) {
        if (strstr(theirs, ".point_embed"))
            continue; /* see the next test */
        if (!sam2_official_name(theirs, found) || strcmp(found, official) != 0)
            fail_msg("'%s' becomes '%s' instead of '%s'", theirs, found, official);
        n++;
    }
    fclose(file);
    assert_int_equal(n, 471 - 4);
    static const char *const edgetam[][2] = {
        {"vision_encoder.backbone.timm_model.stages_1.downsample.ffn.conv1.bn.running_var",
         "image_encoder.trunk.body.stages_1.downsample.ffn.conv1.bn.running_var"},
        {"memory_attention.layers.1.mlp.up_proj.bias", "memory_attention.layers.1.linear1.bias"},
        {"memory_attention.layers.1.mlp.down_proj.weight",
         "memory_attention.layers.1.linear2.weight"},
        {"spatial_perceiver.latents_1d", "spatial_perceiver.latents"},
        {"spatial_perceiver.latents_2d", "spatial_perceiver.latents_2d"},
        {"spatial_perceiver.layer_norm.weight", "spatial_perceiver.norm.weight"},
        {"spatial_perceiver.layers.0.layer_norm_input.bias",
         "spatial_perceiver.layers.0.attn.norm_x.bias"},
        {"spatial_perceiver.layers.0.layer_norm_latents.bias",
         "spatial_perceiver.layers.0.attn.norm_latents.bias"},
        {"spatial_perceiver.layers.0.layer_norm_self.bias",
         "spatial_perceiver.layers.0.self_attn.norm.bias"},
        {"spatial_perceiver.layers.1.cross_attention.q_proj.weight",
         "spatial_perceiver.layers.1.attn.to_q.weight"},
        {"spatial_perceiver.layers.1.self_attention.o_proj.weight",
         "spatial_perceiver.layers.1.self_attn.to_out.weight"},
        {"spatial_perceiver.layers.1.mlp.layer_norm.weight",
         "spatial_perceiver.layers.1.ff.0.weight"},
        {"spatial_perceiver.layers.1.mlp.up_proj.weight", "spatial_perceiver.layers.1.ff.1.weight"},
        {"spatial_perceiver.layers.1.self_mlp.down_proj.weight",
         "spatial_perceiver.layers.1.self_ff.3.weight"},
    };
    for (size_t i = 0; i < sizeof(edgetam) / sizeof(edgetam[0]); i++) {
        assert_true(sam2_official_name(edgetam[i][0], found));
        assert_string_equal(found, edgetam[i][1]);
    }
    static const char *const unknown[] = {"",
                                          "lm_head.weight",
                                          "vision_encoder.",
                                          "memory_encoder",
                                          "image_encoder.trunk.pos_embed",
                                          "memory_encoder.memory_fuser.layers.x.scale"};
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
        assert_false(sam2_official_name(unknown[i], found));
}

static void a_hugging_face_file_is_the_same_model(void **state)
{
    (void)state;
    listing *tiny = official_tiny(), *theirs = calloc(1, sizeof(*theirs));
    assert_non_null(theirs);
    FILE *file = fopen(ROTO_SOURCE_DIR "/tests/models/golden/hugging_face_names.txt", "r");
    assert_non_null(file);
    char name[256], official_name[256];
    while (fscanf(file, "%255s %255s", name, official_name) == 2) {
        if (!strstr(name, ".point_embed"))
            append(theirs, name, find(tiny, official_name)->shape);
    }
    fclose(file);
    append(theirs, "prompt_encoder.point_embed.weight", SHAPE(4, 256));
    append(theirs, "shared_image_embedding.positional_embedding", SHAPE(2, 128));
    assert_model(theirs, "sam2.1_hiera_tiny", TINY_PARAMETERS);
    drop(theirs, "prompt_encoder.shared_embedding.positional_embedding");
    assert_model(theirs, "sam2.1_hiera_tiny", TINY_PARAMETERS);
    find(theirs, "prompt_encoder.point_embed.weight")->shape.dim[0] = 3;
    assert_refused(theirs, ROTO_ERROR_FORMAT,
                   "'prompt_encoder.point_embed.weight' is not part of this model");
    free(tiny);
    free(theirs);
}

/* Keys and values of EdgeTAM's perceiver are one tensor officially, two at Hugging Face. */
static void edgetam_is_recognised(void **state)
{
    (void)state;
    listing *l = official("tests/models/golden/edgetam.safetensors");
    assert_model(l, "edgetam", EDGETAM_PARAMETERS);
    append(l, "image_encoder.trunk.body.stem.conv1.bn.num_batches_tracked", (tensor_shape){0});
    assert_model(l, "edgetam", EDGETAM_PARAMETERS);
    for (int i = 0; i < 2; i++) {
        char name[SAM2_TENSOR_NAME_BYTES];
        for (int k = 0; k < 2; k++) {
            snprintf(name, sizeof(name), "spatial_perceiver.layers.%d.%s.to_kv.weight", i,
                     k ? "self_attn" : "attn");
            drop(l, name);
            for (int value = 0; value < 2; value++) {
                snprintf(name, sizeof(name),
                         "spatial_perceiver.layers.%d.%s_attention.%c_proj.weight", i,
                         k ? "self" : "cross", value ? 'v' : 'k');
                append(l, name, SHAPE(64, 64));
            }
        }
    }
    drop(l, "image_encoder.neck.convs.0.conv.bias");
    append(l, "vision_encoder.neck.convs.0.bias", SHAPE(256)); /* makes it one of theirs */
    assert_model(l, "edgetam", EDGETAM_PARAMETERS);
    drop(l, "spatial_perceiver.layers.1.self_attention.k_proj.weight");
    assert_refused(l, ROTO_ERROR_FORMAT,
                   "'spatial_perceiver.layers.1.self_attn.to_kv.weight' [128, 64] is missing; "
                   "'spatial_perceiver.layers.1.self_attention.v_proj.weight' is not part");
    free(l);
}

static const safetensor *tensor_in(const safetensors *file, const char *name)
{
    const safetensor *t = safetensors_find(file, name);
    if (!t)
        fail_msg("no tensor '%s'", name);
    return t;
}

static void a_model_is_converted_to_one_file(void **state)
{
    (void)state;
    const temp_folder folder = temp_folder_new();
    const temp_path in = temp_folder_join(&folder, "model.pt"),
                    out = temp_folder_join(&folder, "model.safetensors");
    listing *l = official_tiny();
    write_torch(in.text, l);
    if (roto_model_convert(in.text, out.text, ROTO_WEIGHTS_BF16) != ROTO_OK)
        fail_msg("%s", roto_error_message());
    safetensors *file;
    assert_int_equal(safetensors_open(out.text, &file), ROTO_OK);
    assert_int_equal(safetensors_count(file), l->n);
    for (int i = 0; i < l->n; i++)
        assert_true(shape_equal(&tensor_in(file, l->tensors[i].name)->shape, &l->tensors[i].shape));
    assert_int_equal(tensor_in(file, "memory_encoder.out_proj.weight")->type, DTYPE_BF16);
    assert_int_equal(tensor_in(file, "memory_encoder.out_proj.bias")->type, DTYPE_F32);
    assert_int_equal(tensor_in(file, "no_mem_embed")->type, DTYPE_F32);
    assert_non_null(strstr(safetensors_metadata(file, "roto.config"), "sam2.1_hiera_tiny"));
    safetensors_close(file);
    sam2_model *m = NULL;
    if (sam2_model_open(out.text, &m) != ROTO_OK)
        fail_msg("%s", roto_error_message());
    assert_int_equal(weights_n_parameters(m->weights), TINY_PARAMETERS);
    sam2_model_free(m);
    unlink(out.text);
    drop(l, "no_obj_ptr");
    write_torch(in.text, l);
    assert_int_equal(roto_model_convert(in.text, out.text, ROTO_WEIGHTS_F32), ROTO_ERROR_FORMAT);
    assert_non_null(strstr(roto_error_message(), "model.pt: 1 tensor does not fit: 'no_obj_ptr'"));
    assert_int_equal(roto_model_convert(in.text, out.text, (roto_weights_type)9),
                     ROTO_ERROR_ARGUMENT);
    assert_int_equal(temp_folder_count(&folder), 1);
    temp_folder_remove(&folder);
    free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(official_files_are_recognised),
        cmocka_unit_test(what_does_not_fit_is_listed),
        cmocka_unit_test(sizes_differ_in_channels_and_blocks),
        cmocka_unit_test(hugging_face_names_are_official_ones),
        cmocka_unit_test(a_hugging_face_file_is_the_same_model),
        cmocka_unit_test(edgetam_is_recognised),
        cmocka_unit_test(a_model_is_converted_to_one_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
