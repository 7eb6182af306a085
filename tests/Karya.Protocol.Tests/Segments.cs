using System.Buffers;

namespace Karya.Protocol.Tests;

/// <summary>Bytes as they come off a socket: in pieces.</summary>
internal sealed class Segments : ReadOnlySequenceSegment<byte>
{
    private Segments(ReadOnlyMemory<byte> bytes, long start)
    {
        Memory = bytes;
        RunningIndex = start;
    }

    public static ReadOnlySequence<byte> Of(params ReadOnlySpan<ReadOnlyMemory<byte>> pieces)
    {
        var first = new Segments(pieces[0], 0);
        var last = first;
        foreach (var piece in pieces[1..])
        {
            var next = new Segments(piece, last.RunningIndex + last.Memory.Length);
            last.Next = next;
            last = next;
        }

        return new ReadOnlySequence<byte>(first, 0, last, last.Memory.Length);
    }

    /// <summary>Each byte in a piece of its own.</summary>
    public static ReadOnlySequence<byte> Crumbs(byte[] bytes)
    {
        var pieces = new ReadOnlyMemory<byte>[bytes.Length];
        for (int i = 0; i < pieces.Length; i++)
            pieces[i] = bytes.AsMemory(i, 1);
        return Of(pieces);
    }
}
