#include "command_line.h"
#include "commands.h"
#include "exit_code.h"
#include "failure.h"

#include <roto/roto.h>

#include <stdio.h>

/* In the order of roto_weights_type, without "as they are". */
static const char *const precisions[] = {"f32", "f16", "bf16", NULL};

int command_convert(int argc, char **argv)
{
    int precision = 0;
    option options[] = {
        option_choice("--precision", "P",
                      "f32, f16 or bf16, how matrices and convolutions are\n"
                      "stored; default: as they are",
                      &precision, precisions),
        {0},
    };
    const command_line c = {
        .name = "roto convert",
        .operands = "IN OUT.safetensors",
        .about =
            "Writes a segmenter's weights as one safetensors file with the model's config in\n"
            "its metadata. IN is a checkpoint of SAM 2, SAM 2.1 or EdgeTAM as it is published\n"
            "(.pt), a model of Hugging Face (.safetensors, its index.json, or the folder), or\n"
            "a file of roto's. Nothing in a .pt is executed.",
        .examples = "  roto convert sam2.1_hiera_tiny.pt tiny.safetensors\n"
                    "  roto convert sam2.1-hiera-large/ large.safetensors --precision bf16\n",
        .options = options,
        .least_operands = 2,
        .most_operands = 2,
        .operand_what = "IN, a model, or OUT, a file to write,",
    };
    int n_operands;
    const int code = command_line_parse(&c, argc, argv, &n_operands);
    if (code != COMMAND_LINE_GO_ON)
        return code;
    const roto_weights_type type = options[0].given
                                       ? (roto_weights_type)(ROTO_WEIGHTS_F32 + precision)
                                       : ROTO_WEIGHTS_AS_THEY_ARE;
    const roto_status status = roto_model_convert(argv[0], argv[1], type);
    if (status == ROTO_OK)
        fprintf(stderr, "wrote %s\n", argv[1]);
    return failure_report(c.name, status);
}
