using Xunit;

namespace Karya.Protocol.Tests;

public sealed class WireReaderTests
{
    [Theory]
    [InlineData("00", 0)]
    [InlineData("7F", 127)]
    [InlineData("E0", -32)]
    [InlineData("FF", -1)]
    [InlineData("CC00", 0)]
    [InlineData("CCFF", 255)]
    [InlineData("CD0001", 1)]
    [InlineData("CDFFFF", 65_535)]
    [InlineData("CE00000001", 1)]
    [InlineData("CEFFFFFFFF", 4_294_967_295)]
    [InlineData("CF0000000000000001", 1)]
    [InlineData("CF7FFFFFFFFFFFFFFF", long.MaxValue)]
    [InlineData("D000", 0)]
    [InlineData("D080", -128)]
    [InlineData("D1FFFF", -1)]
    [InlineData("D18000", -32_768)]
    [InlineData("D2FFFFFFFF", -1)]
    [InlineData("D280000000", int.MinValue)]
    [InlineData("D3FFFFFFFFFFFFFFFF", -1)]
    [InlineData("D38000000000000000", long.MinValue)]
    [InlineData("D37FFFFFFFFFFFFFFF", long.MaxValue)]
    public void A_whole_number_is_read_from_any_form(string bytes, long value)
    {
        var reader = new WireReader(Convert.FromHexString(bytes));

        Assert.Equal(value, reader.ReadInt64("number"));
        Assert.True(reader.TryEnd());
        if (value >= 0)
        {
            var unsigned = new WireReader(Convert.FromHexString(bytes));
            Assert.Equal((ulong)value, unsigned.ReadUInt64("number"));
            Assert.True(unsigned.TryEnd());
        }
    }

    [Theory]
    [InlineData("00", 0)]
    [InlineData("01", 1)]
    [InlineData("CC01", 1)]
    [InlineData("D30000000000000001", 1)]
    [InlineData("CA3E800000", 0.25)]
    [InlineData("CB3FD0000000000000", 0.25)]
    [InlineData("CB0000000000000001", double.Epsilon)]
    public void A_fraction_is_read_from_any_number(string bytes, double value)
    {
        var reader = new WireReader(Convert.FromHexString(bytes));

        Assert.Equal(value, reader.ReadDouble("fraction", 0, 1));
        Assert.True(reader.TryEnd());
    }

    [Fact]
    public void The_largest_unsigned_number_is_read()
    {
        var reader = new WireReader(Convert.FromHexString("CFFFFFFFFFFFFFFFFF"));

        Assert.Equal(ulong.MaxValue, reader.ReadUInt64("id"));
        Assert.True(reader.TryEnd());
    }

    [Fact]
    public void The_first_fault_counts_and_all_reads_after_it_give_defaults()
    {
        var reader = new WireReader([0xA1, 0x61, 0x01, 0x02]);

        reader.ReadInt64("first");
        Assert.Equal(0, reader.ReadInt64("second"));
        Assert.Equal(0, reader.ReadDouble("third", 1, 2));
        Assert.Equal(0UL, reader.ReadUInt64("fourth"));
        Assert.Equal("", reader.ReadString("fifth", 10));
        Assert.Equal(default, reader.ReadUuid("sixth"));
        Assert.Equal(0, reader.ReadArray("seventh", 1, 1));
        Assert.Null(reader.ReadInt64OrNil("eighth"));
        Assert.Null(reader.ReadBinaryOrNil("ninth", 10));
        Assert.False(reader.ReadBool("tenth"));
        Assert.True(reader.Since(0).IsEmpty);
        reader.Refuse(ErrorCode.Internal, "last", "Too late.");

        Assert.False(reader.TryEnd());
        Assert.Equal(
            new WireFault(ErrorCode.Malformed, "first", "first must be a whole number; found is a text."),
            reader.Fault);
    }

    [Fact]
    public void What_was_read_can_be_had_as_bytes()
    {
        var reader = new WireReader([0x01, 0x92, 0x02, 0x03, 0x04]);

        reader.ReadInt64("one");
        int start = reader.Position;
        reader.ReadArray("two", 2, 2);
        reader.ReadInt64("three");
        reader.ReadInt64("four");

        Assert.Equal([0x92, 0x02, 0x03], reader.Since(start).ToArray());
    }

    [Fact]
    public void A_nil_is_taken_and_anything_else_stays()
    {
        var reader = new WireReader([0xC0, 0x07]);

        Assert.True(reader.TryReadNil());
        Assert.False(reader.TryReadNil());
        Assert.Equal(7, reader.ReadInt64("seven"));
        Assert.False(reader.TryReadNil());
        Assert.True(reader.TryEnd());
    }

    [Fact]
    public void Items_are_counted_against_what_they_take_at_least()
    {
        byte[] body = [0x92, 0x92, 1, 1, 0x92, 1];

        Assert.Equal(2, new WireReader(body).ReadArray("items", 0, 10));
        var reader = new WireReader(body);
        Assert.Equal(0, reader.ReadArray("items", 0, 10, itemSlots: 2));
        Assert.Equal("items is an array that claims 2 items with 5 bytes left.", reader.Fault?.Message);
    }
}
