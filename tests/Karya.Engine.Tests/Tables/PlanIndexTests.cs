using Karya.Engine.Tables;
using Xunit;

namespace Karya.Engine.Tests.Tables;

public sealed class PlanIndexTests
{
    private readonly Slab<PlanEntry> _plans = new();

    [Theory]
    [InlineData(1, false)]
    [InlineData(2, false)]
    [InlineData(3, true)]
    [InlineData(4, true)]
    public void Random_operations_agree_with_a_dictionary(int seed, bool areColliding)
    {
        var random = new Random(seed);
        var index = new PlanIndex(_plans);
        var model = new Dictionary<PlanId, int>();
        for (int i = 0; i < 50_000; i++)
        {
            var id = areColliding ? Colliding(random.Next(200)) : new PlanId((ulong)random.Next(2000));
            bool isKnown = model.TryGetValue(id, out int row);
            Assert.Equal(isKnown ? row : -1, index.Find(id));
            if (random.Next(2) == 0)
                continue;
            if (isKnown)
            {
                index.Remove(id);
                _plans.Free(row);
                model.Remove(id);
            }
            else
            {
                row = _plans.Take();
                _plans[row].Id = id;
                index.Add(id, row);
                model.Add(id, row);
            }
        }

        Assert.Equal(model.Count, index.Count);
        Assert.All(model, pair => Assert.Equal(pair.Value, index.Find(pair.Key)));
        List<int> rows = [];
        index.CopyTo(rows);
        Assert.Equal(model.Values.Order(), rows.Order());
    }

    /// <summary>All of these have the same hash: the halves cancel each other out.</summary>
    private static PlanId Colliding(int number) => new(new UInt128((ulong)number, (ulong)number ^ 0xABCDEF));
}
