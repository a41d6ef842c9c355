// SPDX-License-Identifier: MIT
// Replays the fuzzer's corpus, each file whole and shortened to each length, without libFuzzer.
#include <dirent.h>

#include "../../fuzz/h1.c"
#include "tap.h"

#define CORPUS "tests/fuzz/corpus/h1"

static bool
replay(const char *name)
{
	char path[512];
	uint8_t data[4096];
	(void)snprintf(path, sizeof(path), CORPUS "/%s", name); // names are short
	FILE *file = fopen(path, "rb");
	if (file == NULL)
		return false;
	size_t n = fread(data, 1, sizeof(data), file);
	(void)fclose(file); // only read
	for (size_t i = 1; i <= n; i++)
		(void)LLVMFuzzerTestOneInput(data, i); // asserts, always 0
	return n > 0;
}

int
main(void)
{
	DIR *dir = opendir(CORPUS);
	unsigned n = 0;
	OK(dir != NULL);
	for (struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;) {
		if (e->d_name[0] == '.')
			continue;
		OK_MSG(replay(e->d_name), e->d_name);
		n++;
	}
	if (dir != NULL)
		(void)closedir(dir);
	OK_MSG(n >= 30, "the corpus is there");
	return tap_done();
}
