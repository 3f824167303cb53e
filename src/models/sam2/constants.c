#include "models/sam2/constants.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

static float *values_for(graph *g, const tensor_shape *shape)
{
    float *values = memory_new_array((size_t)shape_count(shape), sizeof(float));
    if (!values)
        graph_fail(g, ROTO_ERROR_MEMORY, "%s", roto_error_message());
    return values;
}

static tensor_id take(graph *g, const char *name, tensor_shape shape, float *values)
{
    tensor_id t = graph_constant(g, name, DTYPE_F32, shape, values);
    free(values);
    return t;
}

tensor_id constant_sine_grid(graph *g, const sam2_size *size, int32_t channels, float scale)
{
    const tensor_shape shape = SHAPE(1, size->h * size->w, channels);
    float *values = values_for(g, &shape);
    if (!values)
        return TENSOR_NONE;
    position_sine_grid(values, size->h, size->w, channels);
    for (int64_t i = 0; i < shape_count(&shape); i++)
        values[i] *= scale;
    return take(g, "sine_grid", shape, values);
}

tensor_id constant_rope(graph *g, const sam2_size *size, int32_t head_dim, float theta)
{
    const tensor_shape shape = SHAPE(size->h * size->w, head_dim / 2, 2);
    float *values = values_for(g, &shape);
    if (!values)
        return TENSOR_NONE;
    position_rope_axial(values, size->h, size->w, head_dim, theta);
    return take(g, "rope", shape, values);
}

tensor_id constant_rope_latents(graph *g, const sam2_config *c)
{
    const int64_t n = c->perceiver_latents + c->perceiver_latents_2d, pairs = c->d_model / 2;
    const tensor_shape shape = SHAPE(n, pairs, 2);
    float *values = values_for(g, &shape);
    if (!values)
        return TENSOR_NONE;
    for (int64_t i = 0; i < c->perceiver_latents * pairs; i++)
        values[2 * i] = 1; /* the cosine of no angle */
    const int32_t side = sam2_perceiver_side(c);
    position_rope_axial(values + c->perceiver_latents * pairs * 2, side, side, c->d_model,
                        c->rope_theta);
    return take(g, "rope_latents", shape, values);
}

tensor_id constant_fourier_grid(graph *g, const sam2_size *size, const float *gaussian,
                                int32_t channels)
{
    const tensor_shape shape = SHAPE(1, size->h * size->w, channels);
    float *values = values_for(g, &shape);
    if (!values)
        return TENSOR_NONE;
    position_fourier_grid(values, gaussian, channels, size->h, size->w);
    return take(g, "fourier_grid", shape, values);
}

tensor_id constant_windowed_grid(graph *g, const windowed_embedding *e, int64_t h, int64_t w)
{
    const tensor_shape shape = SHAPE(1, h, w, e->channels);
    float *values = values_for(g, &shape);
    if (!values)
        return TENSOR_NONE;
    position_windowed_grid(values, e, h, w);
    return take(g, "windowed_grid", shape, values);
}

tensor_id constant_tokens(graph *g, const float *const *rows, int n_rows, int64_t channels)
{
    const tensor_shape shape = SHAPE(1, n_rows, channels);
    float *values = values_for(g, &shape);
    if (!values)
        return TENSOR_NONE;
    for (int i = 0; i < n_rows; i++)
        memcpy(values + i * channels, rows[i], (size_t)channels * sizeof(float));
    return take(g, "tokens", shape, values);
}

tensor_id repeat_batch(graph *g, tensor_id x, int64_t batch)
{
    if (batch == 1 || x == TENSOR_NONE)
        return x;
    tensor_shape shape = {.rank = graph_tensor_at(g, x)->shape.rank};
    for (int i = 0; i < shape.rank; i++)
        shape.dim[i] = i == 0 ? batch : 1;
    float *zeros = values_for(g, &shape);
    if (!zeros)
        return TENSOR_NONE;
    return graph_binary(g, BINARY_ADD, x, take(g, "zero", shape, zeros));
}
