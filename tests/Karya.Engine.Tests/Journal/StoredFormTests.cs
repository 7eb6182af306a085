using Karya.Engine.Journal;
using Karya.Engine.Tests.Driving;
using Xunit;

namespace Karya.Engine.Tests.Journal;

/// <summary>
/// The bytes that version 0.1.0 stored before there were cron plans, of <see cref="StoredFormLife"/>: every kind of
/// record, and the memos of a recurring and a one-time plan. Stores in use hold such bytes.
/// </summary>
public sealed class StoredFormTests
{
    private static readonly string[] JournalRows =
    [
        "4B4A0100720000000100016B0000000100010100000000000000007000000000900180A0F1C2B1340000000000000000000000"
        + "0000000000000000000000000000000000000000000200E4A0F1C2B134E0D403A1E28FC3B1340264904E010000000201000100"
        + "09000000020001000900000001020304050607082D966A621E0F6E16",
        "4B4A0100230000000100011C00000004000201000000000000000070000000009001E4A0F1C2B134010001FD284AB144896E7E",
        "4B4A0100330000000100012C00000005000301000000000000000070000000009001E4A0F1C2B134010001A3A1F1C2B1344974"
        + "206661696C65642E43C0202D6B8724B0",
        "4B4A0100230000000100011C00000004000401000000000000000070000000009001A3A1F1C2B134010002752C77346E11C8AA",
        "4B4A01002D0000000100012600000007000501000000000000000070000000009001A3A1F1C2B1340100024974206661696C65"
        + "642ECBE5AABC6B2F4D35",
        "4B4A0100230000000100011C00000004000601000000000000000070000000009001A4A1F1C2B13401010199F5CC41FBBC3FA2",
        "4B4A0100230000000100011C00000006000701000000000000000070000000009001A4A1F1C2B134010101668C86309FB41BCD",
        "4B4A01002E0000000100012700000002000801000000000000000070000000009001A4A1F1C2B13403D0860303000102030405"
        + "06070818BA6DC946686DD1",
        "4B4A0100300000000100012900000009000901000000000000000070000000009001A4A1F1C2B134010002E4A0F1C2B1340580"
        + "A0F1C2B134A37895EE5E47B6E1",
        "4B4A0100230000000100011C00000004000A01000000000000000070000000009001A5A1F1C2B1340100039E4FBDD8A8E50CC0",
        "4B4A0100290000000100012200000008000B01000000000000000070000000009001E5BBFDC2B134020301E482FBC2B134E3E7"
        + "23FD6A96799C",
        "4B4A0100230000000100011C00000004000C01000000000000000070000000009001E6BBFDC2B134040001D6DC0BDF8B4D6FCE",
        "4B4A01005B0000000100015400000001000D02000000000000000070000000009001EABBFDC2B1340000000000000000000000"
        + "0000000000000000000000000000000000000000000102C0C896C7B13400000164904E01000000000102030405060708FE83BE"
        + "A3FE84E544",
        "4B4A0100200000000100011900000003000E02000000000000000070000000009001EABBFDC2B1341FE013E6536C6FA0",
    ];

    private static readonly string[] Memos =
    [
        "010000000000000000000000000000000000000000000000000000000000000000020000D08603A1E28FC3B1340364904E0100"
        + "00000280A0F1C2B134A4A1F1C2B1340100050100010009000000020001000900000003050000E6BBFDC2B134B489FEC2B134B4"
        + "89FEC2B1340000000301000000040001E5BBFDC2B134E482FBC2B134E482FBC2B134E6BBFDC2B1340001030100000001008180"
        + "A0F1C2B134E4A0F1C2B134A4A1F1C2B134A5A1F1C2B13400030501000000",
        "01000000000000000000000000000000000000000000000000000000000000000001020000000164904E0100000000EABBFDC2"
        + "B134EABBFDC2B13403000100",
    ];

    [Fact]
    public void The_same_life_is_stored_as_the_same_bytes()
    {
        using var driver = new ShardDriver(partitions: 1);
        StoredFormLife.Live(driver);

        Assert.Equal(JournalRows, driver.Store.JournalRows.Select(Convert.ToHexString));
        Assert.Equal(Memos, driver.Store.Plans.Values.OrderBy(p => p.Id).Select(p => Convert.ToHexString(p.Memo)));
    }

    [Fact]
    public void Every_kind_of_record_that_there_was_then_is_among_them() =>
        Assert.Equal(
            Enum.GetValues<RecordKind>().Where(kind => kind <= RecordKind.Replayed),
            JournalRows.SelectMany(row => Records.Read(Convert.FromHexString(row)))
                .Select(r => r.Kind).Distinct().Order());

    [Fact]
    public void A_journal_of_then_is_replayed_to_what_the_tables_held_then()
    {
        using var driver = new ShardDriver(partitions: 1);
        foreach (string row in JournalRows)
            driver.Store.JournalRows.Add(Convert.FromHexString(row));
        using var shard = driver.ReplayJournal();
        var snapshot = new ByteWriter();
        shard.WriteSnapshot(0, snapshot);

        // Ids and bodies stand around the memos; tasks that have ended are in memory still, but in no memo.
        string picture = Convert.ToHexString(snapshot.WrittenSpan);
        Assert.All(Memos, memo => Assert.Contains(memo, picture, StringComparison.Ordinal));
    }

    [Fact]
    public void A_memo_of_then_is_read()
    {
        var memo = PlanMemo.Read(Convert.FromHexString(Memos[0]));

        Assert.Equal((ScheduleKind.Every, 50_000, 3), (memo.Spec.Kind, memo.Spec.PeriodMs, memo.Spec.AttemptsMax));
        Assert.Equal([5L, 4, 1], memo.OpenTasks.Select(t => t.Occurrence));
        Assert.True(memo.Cron.IsEmpty);
    }
}
