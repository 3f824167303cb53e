/* commands.h - what `roto` can do; each takes the arguments after its name and returns the exit
 * code. */
#ifndef COMMANDS_H
#define COMMANDS_H

int command_track(int argc, char **argv);
int command_detect(int argc, char **argv);
int command_segment(int argc, char **argv);
int command_convert(int argc, char **argv);
int command_info(int argc, char **argv);
int command_bench(int argc, char **argv);
int command_eval_mot(int argc, char **argv);
int command_eval_detect(int argc, char **argv);
int command_eval_davis(int argc, char **argv);

#endif
