//! Documents whose chunks take much more memory than their rows.

use super::*;

#[test]
fn documents_whose_columns_a_template_repeats_are_filled_one_after_the_other() {
    let model = support::openai::server();
    let mut vectorizer = column_vectorizer(1, &model.url);
    let cut = serde_json::json!({"implementation": "character_text_splitter", "chunk_size": 1000,
        "chunk_overlap": 0, "separator": "|", "is_separator_regex": false});
    let format = serde_json::json!({"implementation": "python_template", "template": "$chunk $title"});
    vectorizer.config.chunking = serde_json::from_value(cut).unwrap();
    vectorizer.config.formatting = serde_json::from_value(format).unwrap();
    let vectorizer = Arc::new(vectorizer);

    let mut queue = MemoryQueue::new([Arc::clone(&vectorizer)]);
    for ticket in 0..10 {
        // Twelve thousand bytes, and a column of fifty thousand: a million in twenty chunks.
        let pieces: Vec<_> = (0..20).map(|piece| format!("{ticket}, {piece}{}", ".".repeat(600))).collect();
        let mut document = row(&vectorizer, ticket, &pieces.join("|"));
        document.fields = vec![("title".to_owned(), "x".repeat(50_000))];
        queue.push(document);
    }

    // Half a million bytes for the documents of one vectorizer, and two million for one document.
    let settings = Settings { memory_limit: 4 << 20, embedding_max_tokens: 100_000_000, ..settings() };
    Driver::start(settings).settle(&mut queue, 10);
    assert_eq!(queue.completed.len(), 10, "{:?}", queue.failed);
    assert!(queue.completed.values().all(|chunks| chunks.len() == 20));
    for request in model.requests() {
        let of = |input: &String| input.split(',').next().unwrap().to_owned();
        assert_eq!(
            inputs(&request).iter().map(of).collect::<HashSet<_>>().len(),
            1,
            "they were there together"
        );
    }
}
