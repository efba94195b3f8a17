// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Signal processing blocks: a window of readings in, a vector of features out. Fixed memory: all working memory is the
// caller's scratch, sized by check() before anything runs. Formulas, their sources, costs and bounds: docs/dsp.md.
//
// Numbers are IEEE float32 without fused multiply-add and without the C library's logarithms and cosines, in one order
// of operations, so that a host and a Cortex-M4F give the same bits. A reading, or a result, that is not finite is an
// error, never a feature. log_mel works in the whole numbers of the front end that its models were trained with.
//
//   const auto facts = dsp::check(config, window);          // once, when the package is opened
//   const auto done = dsp::run(config, window, signal, features.first(facts->features), scratch);
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <tl/expected.hpp>
#include <type_traits>

namespace tml::fw::dsp {

inline constexpr std::uint8_t kBlockVersion = 1;
inline constexpr std::size_t kMaxAxes = 20;              ///< wire reference 1.14
inline constexpr std::uint32_t kMaxReadings = 1U << 20;  ///< Readings (or pixels) of one window.
inline constexpr std::uint32_t kMaxFeatures = 1U << 18;
inline constexpr std::uint32_t kMaxScratch = 1U << 24;  ///< Bytes.
inline constexpr std::uint16_t kMinFft = 16;
inline constexpr std::uint16_t kMaxFft = 4096;
inline constexpr std::uint8_t kMaxMelFilters = 128;
inline constexpr std::uint8_t kMaxPeaks = 16;
inline constexpr std::uint8_t kMaxBands = 8;
inline constexpr std::uint16_t kMaxImageSide = 1024;
inline constexpr std::size_t kScratchAlignment = 4;  ///< Scratch and features are aligned to this.

enum class BlockType : std::uint8_t {
  raw = 1,          ///< Every reading x scale + offset; features = readings x chosen axes.
  flatten = 2,      ///< Statistics of each axis.
  spectral = 3,     ///< Filter, statistics, spectral peaks, band powers and bins of each axis.
  spectrogram = 4,  ///< Frames x FFT bins.
  mfe = 5,          ///< Frames x mel filter bank energies.
  mfcc = 6,         ///< Frames x mel cepstral coefficients.
  log_mel = 7,      ///< Frames x log mel with noise reduction and gain control (what micro_speech was trained on).
  image = 8,        ///< Resized picture, pixel x scale + offset.
};

/// Bits of BlockConfig::statistics. Features come in the order of the bits, lowest first.
enum Statistic : std::uint16_t {  // NOLINTBEGIN(readability-identifier-naming): bits, used as constants
  kMean = 1U << 0U,
  kMinimum = 1U << 1U,
  kMaximum = 1U << 2U,
  kRms = 1U << 3U,
  kDeviation = 1U << 4U,  ///< Population standard deviation (divided by n).
  kSkewness = 1U << 5U,   ///< Third standardised moment; 0 for a constant signal.
  kKurtosis = 1U << 6U,   ///< Fourth standardised moment - 3; 0 for a constant signal.
  kMedian = 1U << 7U,
  kMad = 1U << 8U,  ///< Median absolute deviation from the median, not scaled.
};
inline constexpr std::uint16_t kAllStatistics = (1U << 9U) - 1U;

/// Bits of BlockConfig::flags.
enum Flag : std::uint16_t {
  kLog = 1U << 0U,            ///< spectral: bands and bins as log10(x + 1e-10). spectrogram, mfe: decibels, 10 log10.
  kBins = 1U << 1U,           ///< spectral: also every bin of the spectrum between low_hz and high_hz.
  kNormaliseMean = 1U << 2U,  ///< mfcc: each coefficient minus its mean over the window's frames.
  kNormaliseVariance = 1U << 3U,  ///< mfcc: ... divided by its standard deviation (needs kNormaliseMean).
};                                // NOLINTEND(readability-identifier-naming)

enum class Filter : std::uint8_t { none = 0, low_pass = 1, high_pass = 2 };  ///< Butterworth
enum class Fit : std::uint8_t {
  squash = 0,     ///< Both sides scaled to the target; the aspect ratio is lost.
  fit_short = 1,  ///< Middle of the picture, cropped to the target's aspect ratio.
  fit_long = 2,   ///< The whole picture with borders of value 0 (before scale and offset).
};

/// One block's parameters: 128 bytes, little endian, stored verbatim in a model package. A field that the type does not
/// use must be 0 (check() insists, so that equal blocks are equal bytes); the letters say who uses it:
/// R raw, F flatten, S spectral, G spectrogram, E mfe, C mfcc, L log_mel, I image.
struct BlockConfig {
  std::uint8_t type = 0;                 ///<   0 all: BlockType
  std::uint8_t version = kBlockVersion;  ///< 1 all: kBlockVersion
  std::uint16_t flags = 0;               ///<   2 S, G, E, C: Flag bits
  std::uint32_t axes = 0;                ///<   4 all but I: bit n = axis n is used; 0 = every axis of the window
  float scale = 1.0F;                    ///<   8 all: factor on each reading before anything else; finite, not 0
  float offset = 0.0F;                   ///<  12 R, I: added after the scale
  std::uint16_t fft_length = 0;  ///<  16 S, G, E, C, L: 16 .. 4096, a power of two; frames are padded with zeros to it
  std::uint16_t frame_length = 0;  ///< 18 G, E, C, L: readings of a frame, 2 .. fft_length
  std::uint16_t frame_stride = 0;  ///< 20 G, E, C, L: readings from frame to frame, 1 .. frame_length
  std::uint16_t statistics = 0;    ///<  22 F, S: Statistic bits
  float low_hz = 0.0F;   ///<  24 E, C, L: lower edge of the first mel filter. S with kBins: first bin (never bin 0)
  float high_hz = 0.0F;  ///<  28 E, C, L: upper edge of the last mel filter (0 = half the rate). S: last bin
  std::uint8_t mel_filters = 0;   ///<  32 E, C, L: 2 .. 128
  std::uint8_t coefficients = 0;  ///< 33 C: 1 .. mel_filters, counted from coefficient 0
  std::uint8_t lifter = 0;        ///<  34 C: cepstral lifter L of HTK; 0 = none
  std::uint8_t filter = 0;        ///<  35 S: Filter
  std::uint8_t filter_order = 0;  ///< 36 S: 2, 4, 6 or 8 with a filter
  std::uint8_t decimation = 0;    ///<  37 S: keep every n-th reading (1 .. 32; 0 = 1) behind an anti-alias low pass
  std::uint8_t peaks = 0;         ///<  38 S: 0 .. 16 spectral peaks, each frequency (Hz) and amplitude
  std::uint8_t bands = 0;         ///<  39 S: 0 .. 8 band powers
  float filter_hz = 0.0F;         ///<  40 S: -3 dB frequency of the filter, below half the rate after decimation
  float peak_threshold = 0.0F;    ///<  44 S: amplitude below which a peak is not reported, >= 0
  float preemphasis = 0.0F;       ///<  48 E, C: y[n] = x[n] - p x[n-1] within a frame, 0 <= p < 1
  float floor_db = 0.0F;          ///<  52 G, E with kLog: < 0 maps floor..12 dB to 0..1; 0 = plain decibels
  float band_edges_hz[kMaxBands + 1] = {};  ///< 56 S: bands + 1 ascending edges, the rest 0
  float noise_even = 0.0F;                  ///<  92 L: smoothing of the noise estimate, channels 0, 2, ...; 0 .. 1
  float noise_odd = 0.0F;                   ///<  96 L: the same, channels 1, 3, ...
  float noise_keep = 0.0F;                  ///< 100 L: least part of a signal that noise reduction leaves; 0 .. 1
  float pcan_strength = 0.0F;               ///< 104 L: exponent of the gain control; 0 .. 1, 0 = no gain control
  float pcan_offset = 0.0F;         ///< 108 L: added to the noise estimate before the exponent; > 0 with gain control
  std::uint8_t pcan_gain_bits = 0;  ///< 112 L: gain = 2^bits x (...)^-strength; 0 .. 30
  std::uint8_t log_shift = 0;       ///< 113 L: output = ln(x) x 2^shift, a whole number; 0 .. 15
  std::uint8_t image_channels = 0;  ///< 114 I: 1 grey, 3 RGB
  std::uint8_t image_fit = 0;       ///< 115 I: Fit
  std::uint16_t image_width = 0;    ///< 116 I: 1 .. 1024
  std::uint16_t image_height = 0;   ///< 118 I: 1 .. 1024
  float output_scale = 0.0F;        ///< 120 L: factor on the output; finite, not 0
  std::uint32_t reserved = 0;       ///< 124 all: 0
};
static_assert(sizeof(BlockConfig) == 128 && alignof(BlockConfig) == 4 && std::is_trivially_copyable_v<BlockConfig>);

/// What the window holds. For images one reading is one pixel, rows from the top, and its axes are 3 (RGB, 0 .. 255) or
/// 1 (grey).
struct WindowFacts {
  std::uint32_t readings = 0;     ///< 1 .. kMaxReadings
  std::uint32_t axes = 0;         ///< 1 .. kMaxAxes
  float frequency_hz = 0.0F;      ///< Readings per second; not used by raw, flatten and image.
  std::uint32_t image_width = 0;  ///< Pixels of a row; readings is a multiple of it. 0 unless the block is an image.
};

/// What a block needs and gives. features = frames x coefficients; frames = 1 for blocks without frames (an image has
/// frames = height and coefficients = width x channels).
struct BlockFacts {
  std::uint32_t features = 0;
  std::uint32_t scratch_bytes = 0;
  std::uint32_t frames = 0;
  std::uint32_t coefficients = 0;
};

enum class DspError : std::uint8_t {
  version,            ///< The record is of another version.
  type,               ///< The block type is unknown.
  unused_field,       ///< A field that this type does not use is not 0.
  window,             ///< The window has no readings, too many, no axes, too many or no valid rate.
  axes,               ///< The axis mask names an axis that the window does not have.
  scale,              ///< scale, offset or output_scale is not usable.
  flags,              ///< A flag that this type does not know.
  fft_length,         ///< Not a power of two between 16 and 4096.
  frame,              ///< frame_length or frame_stride out of range, or the window is shorter than one frame.
  frequencies,        ///< low_hz / high_hz out of order or above half the rate.
  mel_filters,        ///< Number of filters or coefficients out of range, or a filter that covers no FFT bin.
  filter,             ///< Kind, order or frequency of the filter, or the decimation.
  statistics,         ///< Unknown bit, or nothing to compute at all.
  peaks,              ///< Number of peaks or the threshold out of range.
  bands,              ///< Number of bands or their edges out of range.
  level,              ///< preemphasis, floor_db, noise, gain or log parameters out of range.
  image,              ///< Sizes, channels or fit out of range, or the window is not a picture of that width.
  too_large,          ///< More features or scratch than the bounds above.
  scratch_too_small,  ///< run(): less scratch than check() said, or not aligned to 4.
  features_size,      ///< run(): the features' span has another size than check() said.
  read_failed,        ///< The signal could not be read.
  not_finite,         ///< A reading or a feature is infinite or not a number.
  overrun,            ///< FrameStream: readings were lost before they were processed; reset() and start again.
  state,              ///< FrameStream: called out of order.
};

/// A sentence that says what is wrong and what would be right; printable ASCII, no final full stop.
[[nodiscard]] std::string_view text(DspError error);

template <class T>
using Result = tl::expected<T, DspError>;
using Status = tl::expected<void, DspError>;

/// Where the readings come from, so that a ring of int16 audio or a camera's bytes need no float copy.
class Signal {
 public:
  /// Values [offset, offset + into.size()) in readings x axes order (value = reading x axes + axis). False: not there
  /// any more (ring overrun) or outside the window. Calls come in any order; values may be asked for more than once.
  [[nodiscard]] virtual bool read(std::size_t offset, std::span<float> into) = 0;

 protected:
  ~Signal() = default;
};

/// A signal that lies in memory as floats, as of `values.size() / axes` readings.
class FloatSignal final : public Signal {
 public:
  explicit FloatSignal(std::span<const float> values) : values_(values) {}
  [[nodiscard]] bool read(std::size_t offset, std::span<float> into) override;

 private:
  std::span<const float> values_;
};

/// One axis of 16 bit audio, in a ring of which `start` is the oldest sample: index (start + n) % ring.size().
class Int16Signal final : public Signal {
 public:
  explicit Int16Signal(std::span<const std::int16_t> ring, std::size_t start = 0) : ring_(ring), start_(start) {}
  [[nodiscard]] bool read(std::size_t offset, std::span<float> into) override;

 private:
  std::span<const std::int16_t> ring_;
  std::size_t start_;
};

/// A picture's bytes, `channels` of them for each pixel, as the camera gave them.
class ByteSignal final : public Signal {
 public:
  explicit ByteSignal(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}
  [[nodiscard]] bool read(std::size_t offset, std::span<float> into) override;

 private:
  std::span<const std::uint8_t> bytes_;
};

/// A usable record of this type with common values (spectral: 3 statistics, 64 point bins; mfe, mfcc: 16 kHz speech;
/// log_mel: exactly micro_speech's parameters; image: 96 x 96 RGB to 0 .. 1).
[[nodiscard]] BlockConfig defaults(BlockType type);

/// Whether these parameters work with this window, and what they need. Reads nothing but its arguments; every record,
/// malformed ones too, gives an answer. Costs microseconds: call it when a package is opened.
[[nodiscard]] Result<BlockFacts> check(const BlockConfig& config, const WindowFacts& window);

/// Computes the features of one window. `features` has exactly check()'s size; scratch at least check()'s bytes,
/// aligned to kScratchAlignment; the two do not overlap. Calls check() first, so that a record from flash that changed
/// cannot do harm. After an error the features are unspecified.
[[nodiscard]] Status run(const BlockConfig& config, const WindowFacts& window, Signal& signal,
                         std::span<float> features, std::span<std::byte> scratch);

/// The incremental form of the blocks with frames (spectrogram, mfe, mfcc, log_mel) for continuous mode: each frame is
/// computed once, when its last reading has arrived, and kept in a ring of `frames` frames; features() gives what run()
/// gives, bit for bit, for the window that starts with the oldest frame kept. Steps over whole windows (normalisation,
/// noise reduction) are done in features(), so the result does not depend on how the readings were cut into slices.
///
///   stream.begin(config, window, ring);               // ring: ring_floats(config, window) floats
///   stream.push(recent, readings, fresh, scratch);    // after each slice
///   if (stream.ready()) stream.features(features);
class FrameStream {
 public:
  /// Floats that begin() needs: frames x values kept per frame. An error for a block without frames.
  [[nodiscard]] static Result<std::uint32_t> ring_floats(const BlockConfig& config, const WindowFacts& window);

  /// The ring stays the caller's and must outlive the stream. Starts empty.
  [[nodiscard]] Status begin(const BlockConfig& config, const WindowFacts& window, std::span<float> ring);

  /// `recent` holds the last `readings` readings, of which the last `fresh` are new since the previous push. It must
  /// reach back to the next frame's first reading (backlog() + fresh <= readings), else `overrun`; frame_length + slice
  /// readings are always enough. Returns how many frames were added.
  [[nodiscard]] Result<std::uint32_t> push(Signal& recent, std::uint32_t readings, std::uint32_t fresh,
                                           std::span<std::byte> scratch);

  /// A whole window of frames is there.
  [[nodiscard]] bool ready() const { return held_ == facts_.frames && held_ != 0; }
  /// Features of the latest window into a span of run()'s size; `state` before ready().
  [[nodiscard]] Status features(std::span<float> features) const;
  /// Readings already pushed that the next frame still needs.
  [[nodiscard]] std::uint32_t backlog() const { return backlog_; }
  /// What check() said at begin().
  [[nodiscard]] const BlockFacts& facts() const { return facts_; }
  /// Forgets all frames and readings, as after an overrun.
  void reset();

 private:
  BlockConfig config_{};
  WindowFacts window_{};
  BlockFacts facts_{};
  std::span<float> ring_{};
  std::uint32_t width_ = 0;  // values kept per frame
  std::uint32_t next_ = 0;   // ring slot of the next frame
  std::uint32_t held_ = 0;
  std::uint32_t backlog_ = 0;
};

}  // namespace tml::fw::dsp
