// Job stats in C: the yardstick for the client's CPU time of one sample.
//
// job-stats {plain|default-loop} URI SAMPLES UUID...
// Prints {"cpuMs":..., "wallMs":..., "samples":...} of the samples after a tenth for warming up.
#include <libvirt/libvirt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { kFirstUuid = 4, kDomainsMax = 64 };

static double CpuMs(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return 1e3 * (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         1e-3 * (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static double WallMs(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return 1e3 * now.tv_sec + 1e-6 * now.tv_nsec;
}

static void *RunLoop(void *unused) {
  (void)unused;
  for (;;) virEventRunDefaultImpl();
  return NULL;
}

static void Fail(const char *what) {
  fprintf(stderr, "%s: %s\n", what, virGetLastErrorMessage());
  exit(1);
}

static void Sample(virDomainPtr domain) {
  virTypedParameterPtr params = NULL;
  int type = 0, count = 0;
  if (virDomainGetJobStats(domain, &type, &params, &count, 0) < 0) Fail("virDomainGetJobStats");
  virTypedParamsFree(params, count);
}

int main(int argc, char **argv) {
  if (argc <= kFirstUuid || argc - kFirstUuid > kDomainsMax) return 2;
  if (strcmp(argv[1], "default-loop") == 0) {
    pthread_t loop;
    virEventRegisterDefaultImpl();
    pthread_create(&loop, NULL, RunLoop, NULL);
  }
  const virConnectPtr connection = virConnectOpen(argv[2]);
  if (connection == NULL) Fail("virConnectOpen");
  virDomainPtr domains[kDomainsMax];
  const int known = argc - kFirstUuid;
  for (int i = 0; i < known; i++) {
    domains[i] = virDomainLookupByUUIDString(connection, argv[kFirstUuid + i]);
    if (domains[i] == NULL) Fail("virDomainLookupByUUIDString");
  }
  const int samples = atoi(argv[3]);
  for (int i = 0; i < samples / 10; i++) Sample(domains[i % known]);
  const double cpu = CpuMs(), wall = WallMs();
  for (int i = 0; i < samples; i++) Sample(domains[i % known]);
  printf("{\"cpuMs\":%.3f,\"wallMs\":%.3f,\"samples\":%d}\n", CpuMs() - cpu, WallMs() - wall,
         samples);
  return 0;
}
