using System.Buffers.Binary;

namespace Karya.Protocol.Tests;

/// <summary>Makes damaged frames out of good ones; now and then out of nothing.</summary>
internal sealed class Fuzzer(int seed, byte[][] frames)
{
    private const int BytesMax = 4096;

    /// <summary>First bytes of long forms, ends of ranges, and what means something else.</summary>
    private static readonly byte[] Interesting =
    [
        0x00, 0x01, 0x7F, 0x80, 0x8F, 0x90, 0x91, 0x95, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xC3, 0xC4, 0xC5, 0xC6,
        0xC7, 0xCA, 0xCB, 0xCC, 0xCD, 0xCE, 0xCF, 0xD0, 0xD3, 0xD4, 0xD9, 0xDA, 0xDB, 0xDC, 0xDD, 0xDE, 0xDF, 0xE0,
        0xFF,
    ];

    private readonly Random _random = new(seed);
    private readonly byte[] _bytes = new byte[BytesMax];
    private int _length;

    public int Below(int limit) => _random.Next(limit);

    /// <summary>Valid until the next call.</summary>
    public ReadOnlyMemory<byte> Next()
    {
        if (_random.Next(20) == 0)
            Invent();
        else
            Damage();

        // Mostly the length is made to fit, so that the damage is for the body to notice.
        if (_length >= FrameHeader.Bytes && _random.Next(10) > 0)
            BinaryPrimitives.WriteInt32BigEndian(_bytes, _length - FrameHeader.LengthBytes);
        return _bytes.AsMemory(0, _length);
    }

    private void Invent()
    {
        _length = _random.Next(200);
        _random.NextBytes(_bytes.AsSpan(0, _length));
    }

    private void Damage()
    {
        byte[] frame = frames[_random.Next(frames.Length)];
        frame.CopyTo(_bytes, 0);
        _length = frame.Length;
        for (int left = 1 + _random.Next(4); left > 0; left--)
            DamageOnce();
    }

    private void DamageOnce()
    {
        int at = _length > FrameHeader.Bytes && _random.Next(50) > 0
            ? _random.Next(FrameHeader.Bytes, _length)
            : _random.Next(_length + 1);
        switch (_random.Next(8))
        {
            case 0 when at < _length:
                _bytes[at] ^= (byte)(1 << _random.Next(8));
                break;
            case 1 when at < _length:
                _bytes[at] = Interesting[_random.Next(Interesting.Length)];
                break;
            case 2 when at < _length:
                _bytes[at] += (byte)_random.Next(-2, 3);
                break;
            case 3:
                _length = at;
                break;
            case 4:
                Remove(at, Math.Min(_random.Next(1, 20), _length - at));
                break;
            case 5:
                Insert(at, _bytes.AsSpan(_random.Next(_length + 1)..));
                break;
            case 6:
                Insert(at, frames[_random.Next(frames.Length)].AsSpan(FrameHeader.Bytes..));
                break;
            default:
                _random.NextBytes(_bytes.AsSpan(at, Math.Min(_random.Next(1, 9), _length - at)));
                break;
        }
    }

    private void Remove(int at, int count)
    {
        _bytes.AsSpan((at + count).._length).CopyTo(_bytes.AsSpan(at));
        _length -= count;
    }

    private void Insert(int at, ReadOnlySpan<byte> source)
    {
        int start = _random.Next(source.Length + 1);
        byte[] piece = source.Slice(start, Math.Min(_random.Next(1, 40), source.Length - start)).ToArray();
        if (_length + piece.Length > BytesMax)
            return;
        _bytes.AsSpan(at.._length).CopyTo(_bytes.AsSpan(at + piece.Length));
        piece.CopyTo(_bytes, at);
        _length += piece.Length;
    }
}
