using System.Buffers;
using Karya.Protocol.Messages;
using Xunit;

namespace Karya.Protocol.Tests;

public sealed class FrameWriterTests
{
    private readonly FrameWriter _writer = new();

    [Theory]
    [InlineData(0, "00")]
    [InlineData(127, "7F")]
    [InlineData(128, "CC80")]
    [InlineData(255, "CCFF")]
    [InlineData(256, "CD0100")]
    [InlineData(65_535, "CDFFFF")]
    [InlineData(65_536, "CE00010000")]
    [InlineData(4_294_967_295, "CEFFFFFFFF")]
    [InlineData(4_294_967_296, "CF0000000100000000")]
    [InlineData(long.MaxValue, "CF7FFFFFFFFFFFFFFF")]
    [InlineData(-1, "FF")]
    [InlineData(-32, "E0")]
    [InlineData(-33, "D0DF")]
    [InlineData(-128, "D080")]
    [InlineData(-129, "D1FF7F")]
    [InlineData(-32_768, "D18000")]
    [InlineData(-32_769, "D2FFFF7FFF")]
    [InlineData(int.MinValue, "D280000000")]
    [InlineData(int.MinValue - 1L, "D3FFFFFFFF7FFFFFFF")]
    [InlineData(long.MinValue, "D38000000000000000")]
    public void A_whole_number_has_its_shortest_form(long value, string bytes)
    {
        _writer.WriteInt64(value);

        Assert.Equal(bytes, Hex());
    }

    [Theory]
    [InlineData(0, "A0")]
    [InlineData(31, "BF")]
    [InlineData(32, "D920")]
    [InlineData(255, "D9FF")]
    [InlineData(256, "DA0100")]
    [InlineData(65_535, "DAFFFF")]
    [InlineData(65_536, "DB00010000")]
    public void A_text_has_the_shortest_length(int length, string head)
    {
        string text = new('a', length);

        _writer.WriteString(text);
        Assert.Equal(head + Convert.ToHexString(new byte[length]).Replace("00", "61", StringComparison.Ordinal), Hex());

        string once = Hex();
        _writer.Clear();
        _writer.WriteUtf8(System.Text.Encoding.UTF8.GetBytes(text));
        Assert.Equal(once, Hex());
    }

    [Theory]
    [InlineData(0, "C400")]
    [InlineData(255, "C4FF")]
    [InlineData(256, "C50100")]
    [InlineData(65_535, "C5FFFF")]
    [InlineData(65_536, "C600010000")]
    public void A_binary_has_the_shortest_length(int length, string head)
    {
        _writer.WriteBinary(new byte[length]);

        Assert.Equal(head + Convert.ToHexString(new byte[length]), Hex());
    }

    [Theory]
    [InlineData(0, "90")]
    [InlineData(15, "9F")]
    [InlineData(16, "DC0010")]
    [InlineData(65_535, "DCFFFF")]
    [InlineData(65_536, "DD00010000")]
    public void An_array_has_the_shortest_length(int count, string head)
    {
        _writer.WriteArray(count);

        Assert.Equal(head, Hex());
    }

    [Fact]
    public void Letters_outside_ASCII_count_their_bytes_and_a_lone_surrogate_is_replaced()
    {
        _writer.WriteString("ü😀\uD800");

        Assert.Equal("A9C3BCF09F9880EFBFBD", Hex());
    }

    [Fact]
    public void A_binary_of_unknown_length_gets_its_length_at_the_end()
    {
        int outer = _writer.BeginBinary();
        _writer.WriteInt64(1);
        int inner = _writer.BeginBinary();
        _writer.WriteBinary(new byte[3000]); // The memory moves meanwhile.
        _writer.EndBinary(inner);
        _writer.EndBinary(outer);

        Assert.Equal(
            "C600000BC101C600000BBBC50BB8" + Convert.ToHexString(new byte[3000]), Hex());
    }

    [Fact]
    public void Frames_stand_one_behind_the_other()
    {
        _writer.Begin(Opcode.Ping, 1);
        _writer.WriteArray(0);
        _writer.End();
        _writer.Begin(Opcode.Error, uint.MaxValue);
        _writer.WriteNil();
        _writer.WriteBool(true);
        Assert.Equal(8, _writer.FrameLength);
        _writer.End();

        Assert.Equal("0000000701020000000190" + "0000000801FFFFFFFFFFC0C3", Hex());
    }

    [Fact]
    public void A_writer_grows_and_keeps_what_it_has()
    {
        for (int i = 0; i < 100_000; i++)
            _writer.WriteInt64(i % 100);

        Assert.Equal(100_000, _writer.Length);
        for (int i = 0; i < 100_000; i++)
            Assert.Equal(i % 100, _writer.Written.Span[i]);
    }

    [Fact]
    public void Clear_keeps_a_little_memory_and_gives_back_much()
    {
        _writer.WriteBinary(new byte[100_000]);
        _writer.Clear();
        Assert.Equal(0, Garbage.BytesOf(() => Fill(100_000)));

        Fill(300_000);
        Assert.True(Garbage.BytesOf(() => Fill(300_000)) > 300_000);
        Assert.Equal(0, _writer.Length);
    }

    [Fact]
    public void A_frame_is_taken_back_whether_it_has_ended_or_not()
    {
        _writer.Begin(Opcode.Ping, 1);
        _writer.WriteArray(0);
        _writer.End();
        string one = Hex();

        _writer.Begin(Opcode.Ping, 2);
        _writer.WriteBinary(new byte[5000]);
        _writer.Abandon();
        Assert.Equal(one, Hex());

        _writer.Begin(Opcode.Ping, 3);
        _writer.WriteArray(0);
        _writer.End();
        _writer.Abandon();
        Assert.Equal(one, Hex());

        _writer.Begin(Opcode.Ping, 4);
        _writer.WriteArray(0);
        _writer.End();
        Assert.Equal(one + "0000000701020000000490", Hex());
    }

    [Fact]
    public void A_warm_writer_and_a_reader_of_slices_allocate_nothing()
    {
        byte[] arguments = new byte[120];
        int sum = 0;

        long garbage = Garbage.BytesOf(() =>
        {
            sum = 0;
            for (int i = 0; i < 1000; i++)
            {
                _writer.Clear();
                WriteSubmit(arguments);
                sum += ReadSubmit();
            }
        });

        Assert.Equal(0, garbage);
        Assert.Equal(1000 * (12 + 120), sum);
        Assert.InRange(_writer.Length, 200, 300);
    }

    private void WriteSubmit(byte[] arguments)
    {
        _writer.Begin(Opcode.Submit, 1);
        _writer.WriteArray(3);
        _writer.WriteInt64(0);
        _writer.WriteStringOrNil("order-4711");
        _writer.WriteArray(5);
        _writer.WriteUuid(Samples.User);
        _writer.WriteArray(2);
        _writer.WriteInt64(1);
        _writer.WriteInt64(5000);
        _writer.WriteArray(2);
        _writer.WriteInt64OrNil(null);
        _writer.WriteDouble(0.5);
        _writer.WriteArray(3);
        _writer.WriteUtf8("resize-image"u8);
        _writer.WriteBinary(arguments);
        _writer.WriteBool(true);
        _writer.WriteUuidOrNil(Samples.Plan);
        _writer.End();
    }

    private int ReadSubmit()
    {
        var buffer = new ReadOnlySequence<byte>(_writer.Written);
        if (FrameReader.TryRead(ref buffer, 1000, out var frame) != FrameReadStatus.Complete)
            return 0;
        var reader = new WireReader(frame.Body.FirstSpan);
        reader.ReadArray("submit", 3, 3);
        reader.ReadInt32("durability", 0, 1);
        reader.ReadUtf8("key", 255);
        reader.ReadArray("plan", 5, 5);
        reader.ReadUuid("user");
        reader.ReadArray("schedule", 2, 2);
        reader.ReadInt64("kind", 1, 4);
        reader.ReadInt64("after", 0);
        reader.ReadArray("policy", 2, 2);
        reader.ReadInt64OrNil("delay");
        reader.ReadDouble("fraction", 0, 1);
        reader.ReadArray("action", 3, 3);
        int bytes = reader.ReadUtf8("name", 128).Length + reader.ReadBinary("arguments", 1000).Length;
        reader.ReadBool("flag");
        reader.ReadUuidOrNil("id");
        return reader.TryEnd() ? bytes : 0;
    }

    private void Fill(int bytes)
    {
        while (_writer.Length < bytes)
            _writer.WriteUuid(Samples.Plan);
        _writer.Clear();
    }

    private string Hex() => Convert.ToHexString(_writer.Written.Span);

    [Fact]
    public void A_message_that_cannot_be_written_leaves_nothing_behind()
    {
        _writer.Write(1, new Ping());
        byte[] before = _writer.Written.ToArray();
        Assert.Throws<NullReferenceException>(() => _writer.Write(2, new CreateUserReply(null!)));
        Assert.Throws<ArgumentNullException>(() => _writer.Write(3, new Hello(1, 1, null!, null)));
        Assert.Equal(before, _writer.Written.ToArray());
    }
}
