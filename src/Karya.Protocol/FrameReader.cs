using System.Buffers;
using System.Buffers.Binary;

namespace Karya.Protocol;

/// <summary>
/// Cuts frames off what came in. Stateless, and judges the length as soon as its four bytes are there: before the body
/// is waited for, or memory taken for it.
/// </summary>
public static class FrameReader
{
    /// <summary>The length field while it is read as text: how other protocols begin.</summary>
    private static readonly uint[] Foreign =
    [
        .. new[] { "GET ", "POST", "PUT ", "HEAD", "PATC", "DELE", "OPTI", "TRAC", "CONN", "PRI " }
            .Select(text => BinaryPrimitives.ReadUInt32BigEndian(System.Text.Encoding.ASCII.GetBytes(text))),
    ];

    /// <summary>
    /// Takes the first frame of <paramref name="buffer"/>, which then begins behind it. Unless the answer is <see
    /// cref="FrameReadStatus.Complete"/> the buffer stays as it is.
    /// </summary>
    /// <param name="lengthMax">The most that a frame's length may say.</param>
    public static FrameReadStatus TryRead(ref ReadOnlySequence<byte> buffer, int lengthMax, out Frame frame)
    {
        frame = default;
        var status = Judge(buffer, lengthMax, out int length);
        if (status != FrameReadStatus.Complete)
            return status;
        if (buffer.Length - FrameHeader.LengthBytes < length)
            return FrameReadStatus.Incomplete;

        Span<byte> copy = stackalloc byte[FrameHeader.Bytes];
        var header = First(buffer, copy);
        var body = buffer.Slice(FrameHeader.Bytes, length - FrameHeader.LengthMin);
        frame = new Frame(
            header[FrameHeader.VersionOffset],
            (Opcode)header[FrameHeader.OpcodeOffset],
            BinaryPrimitives.ReadUInt32BigEndian(header[FrameHeader.CorrelationOffset..]),
            body);
        buffer = buffer.Slice(body.End);
        return FrameReadStatus.Complete;
    }

    /// <summary>
    /// Looks at the length alone. <see cref="FrameReadStatus.Complete"/>: it is there and allowed, whether or not the
    /// rest is there.
    /// </summary>
    public static FrameReadStatus Judge(in ReadOnlySequence<byte> buffer, int lengthMax, out int length)
    {
        length = 0;
        if (buffer.Length < FrameHeader.LengthBytes)
            return FrameReadStatus.Incomplete;

        Span<byte> copy = stackalloc byte[FrameHeader.LengthBytes];
        uint claimed = BinaryPrimitives.ReadUInt32BigEndian(First(buffer, copy));
        if (claimed > (uint)lengthMax)
            return IsForeign(claimed) ? FrameReadStatus.NotKarya : FrameReadStatus.TooLarge;
        if (claimed < FrameHeader.LengthMin)
            return claimed == 0 ? FrameReadStatus.Empty : FrameReadStatus.TooShort;

        length = (int)claimed;
        return FrameReadStatus.Complete;
    }

    /// <summary>A TLS handshake record begins with 22, 3.</summary>
    private static bool IsForeign(uint length) => Foreign.AsSpan().Contains(length) || length >> 16 == 0x1603;

    private static ReadOnlySpan<byte> First(in ReadOnlySequence<byte> buffer, Span<byte> copy)
    {
        var first = buffer.FirstSpan;
        if (first.Length >= copy.Length)
            return first[..copy.Length];
        buffer.Slice(0, copy.Length).CopyTo(copy);
        return copy;
    }
}
