// SPDX-License-Identifier: MIT
// Feeds each file of a corpus to a fuzz target, without libFuzzer: what once was found stays
// found. Each file in a process of its own, so that one fault does not hide the next.
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_BYTES    (1u << 20)
#define SECONDS_EACH 20

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static int
feed(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data = malloc(MAX_BYTES);
	if (f == NULL || data == NULL)
		return 1;
	size_t n = fread(data, 1, MAX_BYTES, f);
	(void)fclose(f); // only read from
	// Exactly as large as the input, so that a read behind its end is seen.
	uint8_t *exact = malloc(n > 0 ? n : 1);
	if (exact == NULL)
		return 1;
	for (size_t i = 0; i < n; i++)
		exact[i] = data[i];
	free(data);
	(void)alarm(SECONDS_EACH); // answers the alarm before it: none
	int rc = LLVMFuzzerTestOneInput(exact, n);
	free(exact);
	return rc;
}

static int
feed_apart(const char *path)
{
	int status;
	(void)fflush(NULL); // or the child would print it again
	pid_t pid = fork();
	if (pid == 0)
		exit(feed(path));
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return 0;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int
main(int argc, char **argv)
{
	unsigned passed = 0, failed = 0;
	for (int i = 1; i < argc; i++) {
		DIR *dir = opendir(argv[i]);
		for (struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;) {
			char path[4096];
			if (e->d_name[0] == '.')
				continue;
			(void)snprintf(path, sizeof(path), "%s/%s", argv[i], e->d_name); // fits
			if (feed_apart(path)) {
				passed++;
			} else {
				failed++;
				printf("FAIL %s\n", path);
			}
		}
		if (dir != NULL)
			(void)closedir(dir); // only read from
	}
	printf("%u passed, %u failed\n", passed, failed);
	return failed > 0 || passed == 0;
}
