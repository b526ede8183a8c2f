#ifndef STRESSWIRE_NVS_STORE_H
#define STRESSWIRE_NVS_STORE_H

#include "boot.h"
#include "command.h"
#include "eda.h"
#include "settings.h"

/// What survives a restart, in the NVS. Each value is written at once or not at all.
namespace nvs_store {

void load(stresswire::Settings* settings);
bool save(const stresswire::Settings& settings);
void save_rate(float rate_hz);

/// The boot's key: a counter, and random bits of the radio.
stresswire::Boot next_boot();

/// What the electrodes' circuit gives with nothing between them; `otherwise` where it was never measured.
float load_open_ratio(float otherwise);
void save_open_ratio(float ratio);
stresswire::EdaCalibration load_calibration();
void save_calibration(const stresswire::EdaCalibration& calibration);

/// That the page for the settings is wanted after the restart.
void ask_for_portal();
/// Whether it was; it is asked for once.
bool portal_asked();

/// The command that restarted it: delivered once more it is not done once more.
void load_last_command(char* id);
void save_last_command(const char* id);

}  // namespace nvs_store

#endif
