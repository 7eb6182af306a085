using System.Xml;

namespace Karya.Node.Plans;

/// <summary>Periods of plans that came over the wire, for answers in ISO-8601.</summary>
internal static class PeriodTexts
{
    /// <summary>Such as PT1H30M; in hours at most, since a day may have another length.</summary>
    public static string Of(long periodMs)
    {
        var period = TimeSpan.FromMilliseconds(periodMs);
        var text = XmlConvert.ToString(period - TimeSpan.FromDays(period.Days));
        if (period.Days == 0)
            return text;
        return period == TimeSpan.FromDays(period.Days) ? $"P{period.Days}D" : $"P{period.Days}D{text[1..]}";
    }
}
