using System.Buffers;

namespace Karya.Protocol;

/// <summary>A complete frame, borrowed from the buffer that it was cut from.</summary>
/// <param name="Version">Of the protocol; judged by the receiver.</param>
/// <param name="Opcode">Any byte: whether it is known is judged by the receiver.</param>
public readonly record struct Frame(
    byte Version, Opcode Opcode, uint Correlation, ReadOnlySequence<byte> Body);
