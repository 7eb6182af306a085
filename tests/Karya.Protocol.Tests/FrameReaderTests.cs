using System.Buffers;
using System.Buffers.Binary;
using System.Text;
using Xunit;

namespace Karya.Protocol.Tests;

public sealed class FrameReaderTests
{
    private const int LengthMax = 1000;

    private static readonly byte[] First = Samples.Named("submit.full").Frame(0x01020304);
    private static readonly byte[] Second = Samples.Named("ping").Frame(uint.MaxValue);

    public static TheoryData<string> Names() => [.. Samples.All.Select(sample => sample.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void A_frame_that_is_cut_anywhere_is_incomplete_and_left_alone(string name)
    {
        byte[] wire = Samples.Named(name).Frame(1);

        for (int length = 0; length < wire.Length; length++)
        {
            var buffer = new ReadOnlySequence<byte>(wire, 0, length);
            Assert.Equal(FrameReadStatus.Incomplete, FrameReader.TryRead(ref buffer, LengthMax, out var frame));
            Assert.Equal(length, buffer.Length);
            Assert.Equal(default, frame);
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_frame_that_comes_byte_by_byte_is_read_whole(string name)
    {
        var sample = Samples.Named(name);
        var buffer = Segments.Crumbs(sample.Frame(0x01020304));

        Assert.Equal(FrameReadStatus.Complete, FrameReader.TryRead(ref buffer, LengthMax, out var frame));
        Assert.Equal(
            (ProtocolVersion.Max, sample.Opcode, 0x01020304u), (frame.Version, frame.Opcode, frame.Correlation));
        Assert.Equal(sample.Body, frame.Body.ToArray());
        Assert.Equal(0, buffer.Length);
    }

    [Fact]
    public void Two_frames_in_one_piece_are_read_one_after_the_other()
    {
        byte[] both = [.. First, .. Second, 0, 0, 0];
        var buffer = new ReadOnlySequence<byte>(both);

        Assert.Equal(FrameReadStatus.Complete, FrameReader.TryRead(ref buffer, LengthMax, out var frame));
        Assert.Equal((Opcode.Submit, 0x01020304u), (frame.Opcode, frame.Correlation));
        Assert.Equal(FrameReadStatus.Complete, FrameReader.TryRead(ref buffer, LengthMax, out frame));
        Assert.Equal((Opcode.Ping, uint.MaxValue), (frame.Opcode, frame.Correlation));
        Assert.Equal(FrameReadStatus.Incomplete, FrameReader.TryRead(ref buffer, LengthMax, out _));
        Assert.Equal(3, buffer.Length);
    }

    [Fact]
    public void A_frame_over_three_pieces_is_read_wherever_they_are_cut()
    {
        byte[] both = [.. First, .. Second];

        for (int cut = 0; cut < First.Length; cut++)
        {
            for (int next = cut; next < First.Length; next++)
            {
                var buffer = Segments.Of(both.AsMemory(0, cut), both.AsMemory(cut, next - cut), both.AsMemory(next));
                Assert.Equal(FrameReadStatus.Complete, FrameReader.TryRead(ref buffer, LengthMax, out var frame));
                Assert.Equal(First.Length - FrameHeader.Bytes, frame.Body.Length);
                Assert.Equal(Second, buffer.ToArray());
            }
        }
    }

    [Theory]
    [InlineData(0u, FrameReadStatus.Empty)]
    [InlineData(1u, FrameReadStatus.TooShort)]
    [InlineData(2u, FrameReadStatus.TooShort)]
    [InlineData(3u, FrameReadStatus.TooShort)]
    [InlineData(4u, FrameReadStatus.TooShort)]
    [InlineData(5u, FrameReadStatus.TooShort)]
    [InlineData(6u, FrameReadStatus.Incomplete)]
    [InlineData(LengthMax, FrameReadStatus.Incomplete)]
    [InlineData(LengthMax + 1u, FrameReadStatus.TooLarge)]
    [InlineData(0x7FFF_FFFFu, FrameReadStatus.TooLarge)]
    [InlineData(0x8000_0000u, FrameReadStatus.TooLarge)]
    [InlineData(0xFFFF_FFFFu, FrameReadStatus.TooLarge)]
    public void A_length_is_judged_before_anything_behind_it_has_arrived(uint length, FrameReadStatus status)
    {
        byte[] wire = new byte[FrameHeader.LengthBytes];
        BinaryPrimitives.WriteUInt32BigEndian(wire, length);

        Assert.Equal(status, Read(wire));
        Assert.Equal(0, Garbage.BytesOf(() => Read(wire)));
        Assert.Equal(FrameReadStatus.Incomplete, Read(wire[..3]));
    }

    [Theory]
    [InlineData(6, FrameReadStatus.Complete)]
    [InlineData(LengthMax, FrameReadStatus.Complete)]
    [InlineData(LengthMax + 1, FrameReadStatus.TooLarge)]
    public void A_frame_of_the_largest_length_is_read(int length, FrameReadStatus status)
    {
        byte[] wire = new byte[FrameHeader.LengthBytes + length];
        BinaryPrimitives.WriteInt32BigEndian(wire, length);

        Assert.Equal(status, Read(wire));
    }

    [Fact]
    public void The_largest_limit_there_is_does_not_overflow()
    {
        var buffer = new ReadOnlySequence<byte>([0x7F, 0xFF, 0xFF, 0xFF, 1, 2, 0, 0, 0, 1, 0x90]);

        Assert.Equal(FrameReadStatus.Incomplete, FrameReader.TryRead(ref buffer, int.MaxValue, out _));
    }

    [Theory]
    [InlineData("GET / HTTP/1.1\r\n")]
    [InlineData("POST /v1/plans HTTP/1.1\r\n")]
    [InlineData("PUT /")]
    [InlineData("HEAD /")]
    [InlineData("PATCH /")]
    [InlineData("DELETE /")]
    [InlineData("OPTIONS *")]
    [InlineData("TRACE /")]
    [InlineData("CONNECT a:1")]
    [InlineData("PRI * HTTP/2.0\r\n")]
    public void Http_is_told_from_a_frame_that_is_too_large(string text)
    {
        byte[] wire = Encoding.ASCII.GetBytes(text);

        Assert.Equal(FrameReadStatus.NotKarya, Read(wire));
        Assert.Equal(FrameReadStatus.NotKarya, Read(wire[..4]));
    }

    [Theory]
    [InlineData("1603010200")] // TLS 1.0 to 1.3 say so: handshake, record version 3.1.
    [InlineData("1603030200")]
    public void A_TLS_hello_is_told_from_a_frame_that_is_too_large(string hello) =>
        Assert.Equal(FrameReadStatus.NotKarya, Read(Convert.FromHexString(hello)));

    [Fact]
    public void What_is_no_frame_stays_in_the_buffer()
    {
        var buffer = new ReadOnlySequence<byte>([0xFF, 0xFF, 0xFF, 0xFF, 1]);

        Assert.Equal(FrameReadStatus.TooLarge, FrameReader.TryRead(ref buffer, LengthMax, out var frame));
        Assert.Equal(5, buffer.Length);
        Assert.Equal(default, frame);
    }

    [Fact]
    public void Any_version_and_opcode_pass()
    {
        var buffer = new ReadOnlySequence<byte>([0, 0, 0, 6, 0xFE, 0x7F, 0, 0, 0, 0]);

        Assert.Equal(FrameReadStatus.Complete, FrameReader.TryRead(ref buffer, LengthMax, out var frame));
        Assert.Equal((0xFE, (Opcode)0x7F, 0u), (frame.Version, frame.Opcode, frame.Correlation));
        Assert.True(frame.Body.IsEmpty);
    }

    private static FrameReadStatus Read(byte[] wire)
    {
        var buffer = new ReadOnlySequence<byte>(wire);
        return FrameReader.TryRead(ref buffer, LengthMax, out _);
    }
}
