// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/app/app.hpp"

namespace tml::fw::app {

App::App(const Board& board)
    : machine_(board), editor_(machine_.services.sink()), background_(machine_.services, machine_.slots) {}

void App::start() {
  Services& services = machine_.services;
  services.config.mount();
  services.samples.mount();
  background_.start();
  const hal::SystemInfo& about = services.board.system.info();
  Line line;
  line.put("\nHello from TML on ").put(about.device_type).put(", firmware ").put(about.firmware_version);
  line.put("\nCompiled on ").put(about.build_date).put(' ').put(about.build_time);
  line.put("\nType AT+HELP to see a list of commands.\n");
  services.out.text(line.view());
  editor_.prompt();
  idle_since_us_ = services.board.clock.wire_us();
}

Wake App::poll() {
  Services& services = machine_.services;
  if (mode_ == Mode::finished) return {};
  background_.begin_poll();
  services.out.flush();
  if (mode_ == Mode::idle) take_input();
  const bool more_input = mode_ == Mode::job && watch_for_stop();
  background_.take_frames();
  Step step;
  switch (mode_) {
    case Mode::idle:
      step = idle_step();
      break;
    case Mode::answering:
      step = answer();
      break;
    case Mode::job:
      step = job_->step();
      if (step.done) {
        end_answer();
        step = Step::again();
      }
      break;
    case Mode::resetting:
      if (services.out.drained()) {
        restart();
        return {};
      }
      step = Step::when_sent();
      break;
    case Mode::finished:
      break;
  }
  const std::uint64_t link_us = background_.poll(mode_ == Mode::job);
  if (background_.finished()) {
    mode_ = Mode::finished;
    return {};
  }
  if (link_us < step.delay_us) step.delay_us = link_us;
  const std::size_t queued = services.out.queued();
  services.out.flush();
  // What the job waits for may have happened just now: a port that hands on what it takes at once has no progress to
  // tell of later.
  const bool could_go_on = services.out.queued() > 0 && services.board.uart.tx_space() > 0;
  if (more_input || could_go_on || (step.on_transmit && services.out.queued() < queued)) step.delay_us = 0;
  return {step.delay_us, step.on_transmit || services.out.queued() > 0 || services.out.frame_waits()};
}

void App::restart() {
  const Board& board = machine_.services.board;
  mode_ = Mode::finished;
  if (!machine_.bootloader_wanted) return board.system.reset();
  board.update->parts.port.ask_to_stay();
  board.update->parts.port.reset(wire::flash::BootReason::request);
}

void App::take_input() {
  Services& services = machine_.services;
  std::uint8_t byte = 0;
  for (std::size_t i = 0; i < kTextPerStep && services.out.room() >= kEchoRoom && background_.next_text(byte); ++i) {
    const bool skip = skip_cr_ && byte == '\r';
    skip_cr_ = false;
    idle_since_us_ = services.board.clock.wire_us();
    if (skip) continue;
    const auto event = editor_.push(static_cast<char>(byte));
    if (event == wire::LineEditorBase::Event::none) continue;
    overlong_ = event == wire::LineEditorBase::Event::overlong;
    answer_at_us_ = idle_since_us_ + kAnswerDelayUs;
    mode_ = Mode::answering;
    return;
  }
}

bool App::watch_for_stop() {
  std::uint8_t byte = 0;
  for (std::size_t i = 0; i < kTextPerStep; ++i) {
    if (!background_.next_text(byte)) return background_.enough();
    if (skip_cr_ && byte == '\r') {
      skip_cr_ = false;
      continue;
    }
    if (job_->listens()) {
      job_->receive(byte);
      continue;
    }
    skip_cr_ = byte == 'b';
    if (skip_cr_) job_->stop();
  }
  return true;
}

Step App::idle_step() {
  Services& services = machine_.services;
  if (background_.text_waits()) return services.out.room() >= kEchoRoom ? Step::again() : Step::when_sent();
  if (erased_ahead_) return Step::after(Step::kNever);
  const std::uint64_t idle_us = services.board.clock.wire_us() - idle_since_us_;
  if (idle_us < kIdleUs) return Step::after(kIdleUs - idle_us);
  if (!machine_.slots.check_some()) return Step::again();
  erased_ahead_ = !services.samples.erase_ahead();
  return Step::again();
}

Step App::answer() {
  Services& services = machine_.services;
  const std::uint64_t now_us = services.board.clock.wire_us();
  if (now_us < answer_at_us_) return Step::after(answer_at_us_ - now_us);
  if (overlong_) {
    wire::write_at_refusal(wire::AtRefusal::line_too_long, editor_.line(), services.sink());
    end_answer();
    return Step::again();
  }
  job_ = run_line(machine_, editor_.line());
  if (machine_.reset_wanted) {
    mode_ = Mode::resetting;
  } else if (job_ != nullptr) {
    mode_ = Mode::job;
  } else {
    end_answer();
  }
  return Step::again();
}

void App::end_answer() {
  job_ = nullptr;
  editor_.prompt();
  mode_ = Mode::idle;
  erased_ahead_ = false;
  idle_since_us_ = machine_.services.board.clock.wire_us();
}

}  // namespace tml::fw::app
